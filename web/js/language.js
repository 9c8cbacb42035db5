// Has the pack's parts of the page speak its language. The host hands out what packs have in locales/; read here, because
// the front end of 0.3.75 drops it again while it loads a language.

import { api } from "../../../scripts/api.js";
import { app } from "../../../scripts/app.js";
import { teach } from "./words.js";

app.registerExtension({
  name: "Genga.Language",

  async init() { // the page waits for it before it makes nodes
    const locale = app.extensionManager.setting.get("Comfy.Locale");
    if (typeof locale !== "string" || locale === "en") return;
    /** @type {Record<string, {genga?: unknown} | undefined>} */
    const languages = await api.getCustomNodesI18n().catch(() => ({})); // English, then
    teach(languages[locale]?.genga);
  },
});
