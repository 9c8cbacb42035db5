// Edits of the graph by the pack's own parts of the page, as one step of the host's undo each.

import { app } from "../../../scripts/app.js";

/** Runs `work`, and what it changes in the graph is undone as one step. @param {() => void} work */
export function asOneStep(work) {
  app.canvas.emitBeforeChange();
  try {
    work();
    // the host numbers its nodes anew some time after a wire is drawn, and would take that for a second step
    app.canvas.graph?.updateExecutionOrder();
  } finally {
    app.canvas.emitAfterChange();
  }
}

/** Sets a widget as a person does. @param {Host.Widget | undefined} widget @param {string | number} value */
export function setWidget(widget, value) {
  if (!widget) return;
  widget.value = value;
  widget.callback?.(value);
}
