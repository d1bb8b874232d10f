import { useMessages } from "../i18n";
import { EmptyNote } from "../parts/notes";

export function Usage() {
  const { usage: t } = useMessages();
  return <EmptyNote>{t.empty}</EmptyNote>;
}
