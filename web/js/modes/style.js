// The panel's looks. They live in its shadow root, so they touch nothing else on the page, and take the page's colours.

export const STYLE = `
  :host { display: block; height: 100%; overflow-y: auto; color: var(--input-text, #ddd);
    font: 13px/1.35 system-ui, sans-serif; }
  .panel { padding: 12px; }
  h2 { font-size: 15px; margin: 0; }
  h3 { font-size: 13px; margin: 18px 0 0; }
  p { margin: 2px 0 0; }
  ul { list-style: none; margin: 0; padding: 0; }
  .head { display: flex; align-items: center; gap: 8px; }
  .head h2 { flex: 1; }
  .small { font-size: 12px; color: var(--descrip-text, #aaa); }
  .mode { margin-top: 8px; border: 1px solid var(--border-color, #4e4e4e); border-radius: 8px; overflow: hidden;
    background: color-mix(in srgb, currentColor 6%, transparent); }
  button, summary { font: inherit; color: inherit; cursor: pointer; }
  .open { display: flex; gap: 10px; align-items: center; width: 100%; padding: 6px; border: 0; text-align: start;
    background: none; border-radius: 7px; }
  .open:hover { background: color-mix(in srgb, currentColor 10%, transparent); }
  .open[disabled] { cursor: progress; opacity: 0.6; }
  .open img { width: 76px; height: 57px; object-fit: cover; border-radius: 4px; flex: none; background: #8883; }
  .open b { display: block; }
  .again { border: 1px solid var(--border-color, #4e4e4e); border-radius: 6px; padding: 3px 8px;
    background: color-mix(in srgb, currentColor 6%, transparent); }
  .state { padding: 0 8px 7px; }
  .state li { margin: 6px 0 0; padding-inline-start: 10px; border-inline-start: 2px solid #c7833d; }
  .file { overflow-wrap: anywhere; }
  .missing summary::marker { color: #c7833d; }
  a { color: inherit; }
  :focus-visible { outline: 2px solid #5b93d6; outline-offset: -2px; }
`;
