import { useMessages } from "../i18n";
import { EmptyNote } from "../parts/notes";

export function Jobs() {
  const { jobs: t } = useMessages();
  return <EmptyNote>{t.empty}</EmptyNote>;
}
