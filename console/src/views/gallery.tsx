// The gallery: all images, newest first, filtered by the index of the API.
import { useEffect, useRef } from "preact/hooks";
import { useMessages } from "../i18n";
import { EmptyNote, ErrorNote, Loading } from "../parts/notes";
import { go, hrefOf, replaceParams, useRoute } from "../router";
import { Detail } from "./gallery/detail";
import { FilterBar } from "./gallery/filters";
import { Grid } from "./gallery/grid";
import { type Filters, filtersOf, idOf, useImages } from "./gallery/images";

export function Gallery() {
  const { params } = useRoute();
  const filters = filtersOf(params);
  const opened = params.get("image") ?? "";
  const list = useImages(filters);
  const { gallery: t } = useMessages();

  // The browser's way back closes an image that was opened here.
  const isPushed = useRef(false);
  const open = (image: string) => {
    isPushed.current = true;
    go("gallery", { ...filters, image });
  };
  const close = () => {
    if (isPushed.current) history.back();
    else replaceParams({ ...filters });
    isPushed.current = false;
  };
  const filter = (changed: Filters) => replaceParams({ ...changed });
  const isFiltered = Object.values(filters).some(Boolean);
  const isEmpty = list.isComplete && list.images.length === 0;
  const position = list.images.findIndex((image) => idOf(image) === opened);
  const near = (step: number) => {
    const image = position < 0 ? undefined : list.images[position + step];
    return image && (() => replaceParams({ ...filters, image: idOf(image) }));
  };

  useEffect(() => {
    if (position >= 0 && position > list.images.length - 3) list.more();
  }, [position, list.images.length]);

  return (
    <div class="gallery">
      <FilterBar filters={filters} images={list.images} change={filter} />
      <p class="gallery-count small muted" role="status">
        {list.images.length > 0 && t.shown(list.images.length)}
        {list.isSearching && ` ${t.searching}`}
      </p>
      {isEmpty && (
        <EmptyNote>
          <p>{isFiltered ? t.noMatch : t.empty}</p>
          {isFiltered ? (
            <button type="button" onClick={() => filter({})}>
              {t.clear}
            </button>
          ) : (
            <a class="button" href={hrefOf("playground")}>
              {t.make}
            </a>
          )}
        </EmptyNote>
      )}
      <Grid images={list.images} filters={filters} open={open} renew={list.renew} />
      {list.error && <ErrorNote error={list.error} retry={list.more} />}
      {!list.error && <End list={list} />}
      {opened && (
        <Detail
          id={opened}
          image={list.images[position]}
          previous={near(-1)}
          next={near(1)}
          renew={list.renew}
          close={close}
        />
      )}
    </div>
  );
}

/** The end of the list: more is loaded when it comes near the visible part of the page. */
function End({ list }: { list: ReturnType<typeof useImages> }) {
  const { gallery: t } = useMessages();
  const end = useRef<HTMLDivElement>(null);
  const { more, isLoading, isComplete, images } = list;
  useEffect(() => {
    if (!end.current || isLoading || isComplete) return;
    const observer = new IntersectionObserver(
      ([entry]) => entry?.isIntersecting && more(),
      { rootMargin: "800px" },
    );
    observer.observe(end.current);
    return () => observer.disconnect();
  }, [more, isLoading, isComplete]);
  return (
    <div class="gallery-end" ref={end}>
      {isLoading && <Loading />}
      {!isLoading && !isComplete && (
        <button type="button" onClick={more}>
          {t.more}
        </button>
      )}
      {isComplete && images.length > 0 && <p class="small muted">{t.end}</p>}
    </div>
  );
}
