// Listening to the host's nodes and widgets, which have one handler per happening.

/** Calls `after` behind a handler that may be there already. @param {any} owner @param {string} name
 * @param {(...given: any[]) => void} after */
export function chain(owner, name, after) {
  const before = owner[name];
  owner[name] = function (/** @type {any[]} */ ...given) {
    const result = before?.apply(this, given);
    after(...given);
    return result;
  };
}
