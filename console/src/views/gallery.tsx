import { useMessages } from "../i18n";
import { EmptyNote } from "../parts/notes";

export function Gallery() {
  const { gallery: t } = useMessages();
  return <EmptyNote>{t.empty}</EmptyNote>;
}
