// Says whether a page follows what happens: live, paused by its reader, or without an answer from the service.
(() => {
  const state = document.getElementById("live-state");
  const pause = document.getElementById("pause");
  if (!state || !pause) return;

  let answered = true;

  const isPaused = () => pause.getAttribute("aria-pressed") === "true";
  const isFinal = () => document.querySelector("#live:not([hx-trigger])") !== null;

  const words = () => {
    if (isFinal()) return ["final", "Final: nothing more is expected"];
    if (isPaused()) return ["paused", "Paused"];
    return answered ? ["live", "Live"] : ["lost", "The service does not answer; still trying"];
  };

  const show = () => {
    const [name, text] = words();
    if (state.textContent !== text) state.textContent = text;
    state.dataset.state = name;
    pause.hidden = name === "final";
  };

  pause.addEventListener("click", () => {
    pause.setAttribute("aria-pressed", String(!isPaused()));
    show();
  });

  document.body.addEventListener("htmx:beforeRequest", (event) => {
    if (isPaused() || document.hidden) event.preventDefault();
  });
  document.body.addEventListener("htmx:afterRequest", (event) => {
    answered = event.detail.successful === true;
    show();
  });
  document.body.addEventListener("htmx:afterSettle", show);
  show();
})();
