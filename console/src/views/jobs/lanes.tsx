// The lanes above the list of jobs: what runs, what waits, and why nothing starts.
import { get, type Schemas } from "../../api";
import { useMessages } from "../../i18n";
import { useLoad } from "../../load";
import { ErrorNote } from "../../parts/notes";
import { Time } from "../../parts/values";

type Lane = Schemas["Lane"];

const EVERY_MS = 5000;
const LATE_MS = 5 * 60_000;

export function Lanes() {
  const { jobs: t } = useMessages();
  const { data, error, reload } = useLoad(
    "lanes",
    (signal) => get("/v1/lanes", { signal }),
    EVERY_MS,
  );
  if (!data) {
    return error ? <ErrorNote error={error} retry={reload} /> : <div class="lanes lanes-loading" />;
  }
  const swept = data.sweep.finished_at;
  const isLate = swept !== null && Date.now() - Date.parse(swept) > LATE_MS;
  return (
    <section class="lanes-section" aria-label={t.lanes}>
      <ErrorNote error={error} retry={reload} />
      {isLate && <p class="note note-warning">{t.sweepLate}</p>}
      <div class="lanes">
        {data.lanes.map((lane) => (
          <LaneCard key={lane.name} lane={lane} />
        ))}
      </div>
    </section>
  );
}

function LaneCard({ lane }: { lane: Lane }) {
  const { jobs: t } = useMessages();
  const waiting = `${lane.waiting_is_exact ? "" : `${t.lane.atLeast} `}${lane.waiting}`;
  return (
    <article class={`card lane ${lane.paused ? "lane-paused" : ""}`} data-lane={lane.name}>
      <h2>
        {lane.name}
        <LaneBadge lane={lane} />
      </h2>
      <Slots lane={lane} />
      <p class="lane-numbers">
        <span>
          <b class="number">
            {lane.in_use}/{lane.limit_now}
          </b>{" "}
          {t.lane.running}
        </span>
        <span>
          <b class="number">{waiting}</b> {t.lane.waiting}
        </span>
      </p>
      {lane.limit_now < lane.limit && !lane.paused && (
        <p class="small muted">{t.lane.slowedWhy(lane.limit_now, lane.limit)}</p>
      )}
      {lane.paused && <Paused pause={lane.paused} />}
    </article>
  );
}

function LaneBadge({ lane }: { lane: Lane }) {
  const { jobs: t } = useMessages();
  if (lane.paused) return <span class="badge badge-failed">{t.lane.paused}</span>;
  if (lane.limit_now < lane.limit) return <span class="badge badge-warning">{t.lane.slowed}</span>;
  if (lane.in_use >= lane.limit) return <span class="badge badge-running">{t.lane.full}</span>;
  return <span class="badge">{t.lane.free}</span>;
}

const MOST_SHOWN = 40;

/** One box for each slot, or a bar if they are many. */
function Slots({ lane }: { lane: Lane }) {
  const { jobs: t } = useMessages();
  const label = t.lane.slots(lane.in_use, lane.limit);
  if (lane.limit > MOST_SHOWN) {
    return <meter class="lane-bar" min={0} max={lane.limit} value={lane.in_use} aria-label={label} />;
  }
  return (
    <div class="slots" role="img" aria-label={label}>
      {Array.from({ length: lane.limit }, (_, number) => (
        <span key={number} class={slotClass(number, lane)} />
      ))}
    </div>
  );
}

function slotClass(number: number, lane: Lane): string {
  if (number < lane.in_use) return "slot slot-used";
  return number < lane.limit_now ? "slot" : "slot slot-closed";
}

function Paused({ pause }: { pause: NonNullable<Lane["paused"]> }) {
  const { jobs: t } = useMessages();
  return (
    <div class="note note-error">
      <p>
        <code>{pause.code}</code> {pause.message}
      </p>
      <p>{t.lane.pausedWhy}</p>
      <p class="note-facts">
        <span>
          {t.lane.since} <Time at={pause.since} short />
        </span>
        <span>
          {t.lane.probe} <Time at={pause.next_probe} short />
        </span>
      </p>
    </div>
  );
}
