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
  const FETCH_MS = 10000; // an answer that has not come whole by then is asked for again
  const BEHIND_MS = 2000; // after which it is no longer live to lag behind what is known
  const HIDDEN_MS = 30000; // after which a line may be dead without the browser's knowing
  let through = Number(main.dataset.through);
  let known = through; // the newest offset that the stream has spoken of
  let source = null;
  let settling = 0;
  let retrying = 0;
  let retryMs = RETRY_MS.first;
  let behind = 0;
  let fetching = false;
  let hiddenSince = 0;
  let troubleSince = null;

  function clock(date) {
    return date.toLocaleTimeString(document.documentElement.lang,
      { hour: "2-digit", minute: "2-digit", hour12: false });
  }

  function show(state) {
    if (state === "on" || state === "connecting") troubleSince = null;
    else troubleSince = troubleSince || new Date();
    const words = live.dataset[state].replace("{time}",
      () => troubleSince ? clock(troubleSince) : "");
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
      news.textContent = news.dataset.news.replace("{text}", () => said);
    }
  }

  /* Live is what has reached all that is known; what lags for longer than a moment says so. */
  function showOn() {
    if (through >= known) {
      clearTimeout(behind);
      behind = 0;
      if (source && source.readyState === EventSource.OPEN) show("on");
    } else if (!behind) {
      behind = setTimeout(() => {
        if (source && source.readyState === EventSource.OPEN) show("stale");
      }, BEHIND_MS);
    }
  }

  async function fetchStory() {
    const late = new AbortController();
    const timer = setTimeout(() => late.abort(), FETCH_MS);
    try {
      const answer = await fetch(main.dataset.fragment,
        { cache: "no-store", redirect: "error", signal: late.signal });
      if (!answer.ok) throw new Error(String(answer.status));
      return await answer.text();
    } finally {
      clearTimeout(timer);
    }
  }

  async function refresh() {
    if (fetching) return; // it looks at what is known when it has ended
    fetching = true;
    const wanted = known;
    let next = SETTLE_MS;
    try {
      replace(await fetchStory());
      if (through < wanted) throw new Error("the answer is older than the event");
      showOn();
    } catch {
      show("stale");
      next = RETRY_MS.first + Math.random() * RETRY_MS.first;
    } finally {
      fetching = false;
    }
    if (through < known) settle(next);
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
    if (offset <= through) return;
    showOn();
    settle(SETTLE_MS);
  }

  function connect() {
    clearTimeout(retrying);
    if (source) source.close();
    if (live.dataset.state === "on") show("connecting");
    source = new EventSource(`${main.dataset.events}?last_event_id=${through}`);
    source.onopen = () => {
      retryMs = RETRY_MS.first;
      showOn();
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
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "hidden") hiddenSince = Date.now();
    else if (hiddenSince && Date.now() - hiddenSince > HIDDEN_MS) connect();
  });
  window.addEventListener("pageshow", (event) => {
    if (event.persisted) connect();
  });
  window.addEventListener("pagehide", () => source && source.close());
  show("connecting");
  connect();
})();
