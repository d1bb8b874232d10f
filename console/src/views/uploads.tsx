import { useMessages } from "../i18n";
import { EmptyNote } from "../parts/notes";

export function Uploads() {
  const { uploads: t } = useMessages();
  return <EmptyNote>{t.empty}</EmptyNote>;
}
