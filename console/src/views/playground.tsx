import { useMessages } from "../i18n";
import { EmptyNote } from "../parts/notes";

export function Playground() {
  const { playground: t } = useMessages();
  return <EmptyNote>{t.empty}</EmptyNote>;
}
