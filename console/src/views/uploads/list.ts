// The files that were chosen in this tab, and where they go: kept while other views are open, and
// until the key is forgotten.
import { session } from "../../session";
import { Store } from "../../store";
import { isImage, sendAll, type Place, type Sent } from "./send";

const NOWHERE: Place = { rule: "", folder: "", metadata: {} };

export const chosenFiles = new Store<Sent[]>([]);
export const enteredPlace = new Store<Place>(NOWHERE);

session.watch(() => {
  if (session.value.state !== "absent") return;
  chosenFiles.set([]);
  enteredPlace.set(NOWHERE);
});

let nextId = 1;

export function addFiles(added: File[]): void {
  chosenFiles.set([...chosenFiles.value, ...added.map(chosen)]);
}

function chosen(file: File): Sent {
  const common = { id: nextId++, file, progress: 0, jobs: [] };
  if (isImage(file)) return { ...common, step: "staged" };
  return { ...common, step: "failed", error: "wrongType" };
}

export function removeFiles(isGone: (file: Sent) => boolean): void {
  chosenFiles.set(chosenFiles.value.filter((file) => !isGone(file)));
}

/** Send the files that were not sent yet. */
export function sendStaged(place: Place): void {
  const staged = chosenFiles.value.filter(({ step }) => step === "staged");
  void sendAll(staged, place, { change, isListed });
}

function change(id: number, changes: Partial<Sent>): void {
  chosenFiles.set(chosenFiles.value.map((file) => (file.id === id ? { ...file, ...changes } : file)));
}

const isListed = (id: number): boolean => chosenFiles.value.some((file) => file.id === id);
