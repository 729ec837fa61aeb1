/* Keeps an open case page true: follows the case's events and, when one comes, fetches the story
   anew and puts it in the place of the old one. The page is whole without it. */
(() => {
  "use strict";
  const live = document.getElementById("live");
  const news = document.getElementById("news");
  let main = document.getElementById("case");
  if (!main || !live || !window.EventSource || !window.fetch) return;

  const SETTLE_MS = 120; // several events in one moment are one change to a reader
  const RETRY_MS = { first: 2000, most: 60000 };
  let through = Number(main.dataset.through);
  let known = through; // the newest offset that the stream has spoken of
  let source = null;
  let settling = 0;
  let retrying = 0;
  let retryMs = RETRY_MS.first;
  let fetching = false;
  let troubleSince = null;

  function clock(date) {
    return date.toLocaleTimeString(document.documentElement.lang,
      { hour: "2-digit", minute: "2-digit", hour12: false });
  }

  function show(state) {
    if (state === "on" || state === "connecting") troubleSince = null;
    else troubleSince = troubleSince || new Date();
    const words = live.dataset[state].replace("{time}", troubleSince ? clock(troubleSince) : "");
    live.dataset.state = state;
    live.hidden = false;
    if (live.textContent !== words) live.textContent = words;
  }

  function showTrouble() {
    show(navigator.onLine === false ? "offline" : "lost");
  }

  function markNew(story) {
    let newest = null;
    for (const node of story.querySelectorAll("[data-offset]")) {
      if (through < 0 || Number(node.dataset.offset) <= through) continue;
      node.classList.add("is-new");
      newest = newest || node;
    }
    return newest;
  }

  function replace(html) {
    const page = new DOMParser().parseFromString(html, "text/html");
    const story = page.getElementById("case");
    if (!story || Number(story.dataset.through) < through) return;
    const newest = markNew(story);
    const focused = main.contains(document.activeElement) && document.activeElement;
    const again = focused && (focused.id
      ? "#" + CSS.escape(focused.id)
      : focused.dataset.testid && `[data-testid="${CSS.escape(focused.dataset.testid)}"]`);
    through = Number(story.dataset.through);
    story.dataset.events = main.dataset.events;
    main.replaceWith(story);
    main = story;
    document.title = story.dataset.title;
    document.documentElement.dataset.tone = story.dataset.tone;
    if (again) main.querySelector(again)?.focus({ preventScroll: true });
    if (newest) {
      const said = [...newest.querySelectorAll(".stage, .node-step")]
        .map((part) => part.textContent).join(" ");
      news.textContent = news.dataset.news.replace("{text}", said);
    }
  }

  async function refresh() {
    if (fetching) return settle(SETTLE_MS);
    fetching = true;
    const wanted = known;
    try {
      const answer = await fetch(main.dataset.fragment, { cache: "no-store", redirect: "error" });
      if (!answer.ok) throw new Error(String(answer.status));
      replace(await answer.text());
      if (through < wanted) throw new Error("the answer is older than the event");
      if (source && source.readyState === EventSource.OPEN) show("on");
    } catch {
      show("stale");
      settle(RETRY_MS.first + Math.random() * RETRY_MS.first);
    } finally {
      fetching = false;
    }
  }

  function settle(ms) {
    clearTimeout(settling);
    settling = setTimeout(refresh, ms);
  }

  function hear(event) {
    const offset = Number(event.lastEventId);
    if (event.type === "reset") { // another log, or too far behind: whatever comes is the truth
      through = -1;
      known = offset;
    }
    if (offset > known) known = offset;
    if (offset > through) settle(SETTLE_MS);
  }

  function connect() {
    clearTimeout(retrying);
    if (source) source.close();
    source = new EventSource(`${main.dataset.events}?last_event_id=${through}`);
    source.onopen = () => {
      retryMs = RETRY_MS.first;
      show("on");
    };
    source.onerror = () => {
      showTrouble();
      if (source.readyState !== EventSource.CLOSED) return; // the browser tries again by itself
      retrying = setTimeout(connect, retryMs * (0.5 + Math.random()));
      retryMs = Math.min(retryMs * 2, RETRY_MS.most);
    };
    for (const type of ["node", "case", "reset"]) source.addEventListener(type, hear);
  }

  window.addEventListener("offline", showTrouble);
  window.addEventListener("online", connect);
  window.addEventListener("pageshow", (event) => {
    if (event.persisted) connect();
  });
  window.addEventListener("pagehide", () => source && source.close());
  show("connecting");
  connect();
})();
