// A text of the API's descriptions: `words` between backticks are code.
export function Words({ text }: { text: string }) {
  return (
    <>{text.split("`").map((part, number) => (number % 2 ? <code key={number}>{part}</code> : part))}</>
  );
}
