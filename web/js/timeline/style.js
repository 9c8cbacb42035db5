// The widget's looks. They live in its shadow root, so they touch nothing else on the page, and take the page's colours.

export const STYLE = `
  :host { display: block; width: 100%; color: var(--input-text, #ddd); font: 12px/1.3 system-ui, sans-serif; }
  .body { display: flex; flex-direction: column; gap: 6px; padding: 6px; border-radius: 8px;
    border: 1px solid var(--border-color, #4e4e4e); background: var(--comfy-menu-bg, #353535); }
  .row { display: flex; flex-wrap: wrap; align-items: center; gap: 4px 8px; }
  .about { flex: 1; min-width: 80px; text-align: end; color: var(--input-text, #ddd); opacity: 0.85; }
  .strip { position: relative; height: 96px; overflow: hidden; border-radius: 6px; touch-action: none;
    background: color-mix(in srgb, var(--comfy-input-bg, #222) 60%, transparent); }
  .strip.over { outline: 2px dashed var(--genga-accent); outline-offset: -3px; }
  .strip canvas { position: absolute; inset: 0; width: 100%; height: 100%; pointer-events: none; }
  .strip .hint { position: absolute; inset: 0 12px 36px; display: grid; place-items: center; text-align: center;
    pointer-events: none; }
  .film { position: relative; height: 36px; margin-top: -4px; overflow: hidden; border-radius: 6px;
    background: color-mix(in srgb, var(--comfy-input-bg, #222) 60%, transparent); }
  .film canvas { position: absolute; inset: 0; width: 100%; height: 100%; }
  .film.old canvas { opacity: 0.35; filter: grayscale(0.7); }
  .film span { position: absolute; left: 4px; bottom: 3px; padding: 0 5px; border-radius: 4px; font-size: 10px;
    color: #fff; background: rgba(0, 0, 0, 0.7); }
  .handle { position: absolute; top: 2px; left: 0; height: 74px; cursor: grab; border-radius: 4px; }
  .strip.dragging, .strip.dragging .handle { cursor: grabbing; }
  .status { min-height: 16px; }
  .status.wrong { color: var(--error-text, #ff4444); }
  .panel { min-height: 54px; display: flex; flex-direction: column; gap: 6px; }
  button { font: inherit; color: inherit; cursor: pointer; padding: 3px 8px; border-radius: 6px;
    border: 1px solid var(--border-color, #4e4e4e); background: var(--comfy-input-bg, #222); }
  button:hover { border-color: currentColor; }
  button:disabled { opacity: 0.5; cursor: default; }
  label { display: inline-flex; align-items: center; gap: 5px; }
  input[type="number"] { font: inherit; color: inherit; width: 48px; padding: 2px 4px; border-radius: 6px;
    border: 1px solid var(--border-color, #4e4e4e); background: var(--comfy-input-bg, #222); }
  .pair { display: flex; align-items: center; gap: 8px; flex: 1 1 170px; max-width: 280px; }
  .pair label { flex: 1; }
  input[type="range"] { flex: 1; min-width: 40px; width: 84px; accent-color: var(--genga-accent); }
  input[type="checkbox"] { accent-color: var(--genga-accent); }
  summary { cursor: pointer; width: fit-content; border-radius: 4px; }
  details .row { margin-top: 6px; }
  :focus-visible { outline: 2px solid var(--genga-accent); outline-offset: 1px; }
  .handle:focus-visible { outline-offset: -2px; }
  [hidden] { display: none !important; }
`;
