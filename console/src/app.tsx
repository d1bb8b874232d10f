// The shell: navigation, the view that the address names, and the banners above all views.
import type { ComponentType } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { urlOf } from "./api";
import { ask, isOnline } from "./connection";
import { chooseLanguage, language, useMessages } from "./i18n";
import { KeyEntry } from "./key-entry";
import { Icon } from "./parts/icons";
import { Loading } from "./parts/notes";
import { hrefOf, useRoute, VIEWS, type View } from "./router";
import { forgetKey, session } from "./session";
import { useStore } from "./store";
import { Playground } from "./views/playground";

/** All views except the first one are loaded when they are opened. */
const LATER: Record<Exclude<View, "playground">, () => Promise<ComponentType>> = {
  gallery: async () => (await import("./views/gallery")).Gallery,
  jobs: async () => (await import("./views/jobs")).Jobs,
  usage: async () => (await import("./views/usage")).Usage,
  uploads: async () => (await import("./views/uploads")).Uploads,
};

export function App() {
  const current = useStore(session);
  const { shell: t } = useMessages();
  const hasViews = current.state !== "absent";
  const isRefused = current.state === "refused";
  return (
    <>
      <a class="skip" href="#content" onClick={skip}>
        {t.skip}
      </a>
      <Header hasKey={current.state === "present"} />
      <Banner />
      {current.state !== "present" && <KeyEntry wasRefused={isRefused} />}
      {/* The views keep their state while another key is entered. */}
      {hasViews && (
        <div hidden={isRefused}>
          <Views />
        </div>
      )}
    </>
  );
}

function skip(event: Event): void {
  event.preventDefault(); // the part of the address behind # is the view
  document.getElementById("content")?.focus();
}

function Header({ hasKey }: { hasKey: boolean }) {
  const { shell: t } = useMessages();
  const { view } = useRoute();
  const chosen = useStore(language);
  return (
    <header class="header">
      <a class="brand" href={hrefOf("playground")}>
        AIGC <span>Functions</span>
      </a>
      {hasKey && (
        <nav class="nav" aria-label={t.navigation}>
          {VIEWS.map((name) => (
            <a key={name} href={hrefOf(name)} aria-current={name === view ? "page" : undefined}>
              <Icon name={name} />
              <span>{t.views[name]}</span>
            </a>
          ))}
        </nav>
      )}
      <div class="header-end">
        <a class="quiet" href={urlOf("/docs").href} target="_blank" rel="noreferrer">
          {t.docs}
        </a>
        <button
          type="button"
          class="quiet"
          lang={chosen === "en" ? "zh-CN" : "en"}
          onClick={() => chooseLanguage(chosen === "en" ? "zh" : "en")}
        >
          {t.language}
        </button>
        {hasKey && (
          <button type="button" class="quiet" onClick={forgetKey}>
            {t.leave}
          </button>
        )}
      </div>
    </header>
  );
}

function Banner() {
  const { shell: t } = useMessages();
  const online = useStore(isOnline);
  return (
    <div role="status">
      {!online && (
        <div class="banner">
          <span>{t.offline}</span>
          <button type="button" onClick={() => void ask()}>
            {t.retry}
          </button>
        </div>
      )}
    </div>
  );
}

function Views() {
  const { view } = useRoute();
  const { shell: t } = useMessages();
  const main = useRef<HTMLElement>(null);
  const opened = useRef<View>(view);
  const hasPlayground = useRef(false);
  hasPlayground.current ||= view === "playground";
  useEffect(() => {
    document.title = `${t.views[view]} · AIGC Functions`;
    if (opened.current !== view) {
      opened.current = view;
      main.current?.focus({ preventScroll: true });
      window.scrollTo(0, 0);
    }
  }, [view, t]);
  return (
    <main id="content" ref={main} tabIndex={-1}>
      <h1 class="visually-hidden">{t.views[view]}</h1>
      {/* Once opened, the playground keeps its form and its running job while another view is. */}
      {hasPlayground.current && (
        <div hidden={view !== "playground"}>
          <Playground />
        </div>
      )}
      {view !== "playground" && <Later key={view} view={view} />}
    </main>
  );
}

function Later({ view }: { view: Exclude<View, "playground"> }) {
  const [loaded, setLoaded] = useState<{ component?: ComponentType; isMissing?: boolean }>({});
  const online = useStore(isOnline);
  useEffect(() => {
    LATER[view]()
      .then((component) => setLoaded({ component }))
      .catch(() => {
        setLoaded({ isMissing: true });
        void ask();
      });
  }, [view, online]);
  if (loaded.isMissing && online) return <Outdated />;
  const Component = loaded.component;
  return Component ? <Component /> : <Loading />;
}

/** A part of the page cannot be loaded: another version may be deployed by now. */
function Outdated() {
  const { shell: t } = useMessages();
  return (
    <div class="note note-error" role="alert">
      <p class="note-title">{t.outdated}</p>
      <button type="button" onClick={() => location.reload()}>
        {t.reload}
      </button>
    </div>
  );
}
