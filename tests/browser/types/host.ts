// The host's page as web/js sees it: the two modules that it imports, and names for what the front end's published types
// hold but do not export. What they leave out, and both front ends have, is declared here. A .ts file, for tsc passes over
// faults in .d.ts files.

declare module "*/scripts/app.js" {
  export const app: Host.App;
}

declare module "*/scripts/api.js" {
  export const api: Host.Api;
}

declare namespace Host {
  type Api = import("front-end").ComfyApi & {
    addEventListener(type: "genga.windows", listener: (event: CustomEvent) => void): void;
  };
  type App = import("front-end").ComfyApp & { extensionManager: { workflow: Workflows } };
  type Extension = import("front-end").ComfyExtension;

  interface Workflows {
    activeWorkflow?: { changeTracker?: { captureCanvasState?(): void; checkState?(): void } };
    getWorkflowByPath(path: string): unknown;
  }

  type GraphNode = Parameters<NonNullable<Extension["nodeCreated"]>>[0];
  type Node = GraphNode & {
    addDOMWidget(name: string, type: string, element: HTMLElement, options: DOMWidgetOptions): DOMWidget;
  };
  type Widget = NonNullable<GraphNode["widgets"]>[number] & { onRemove?(): void };
  type DOMWidget = Widget & { element: HTMLElement };

  interface DOMWidgetOptions {
    serialize?: boolean;
    hideOnZoom?: boolean;
    margin?: number;
    getMinHeight?(): number;
    getMaxHeight?(): number;
  }
}

interface Window {
  LiteGraph: { vueNodesMode?: boolean; createNode(type: string): Host.Node | null };
}
