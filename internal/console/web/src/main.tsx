import { render } from "preact";
import { App } from "./app";
import { store } from "./live";
import { applyTheme } from "./theme";
import "./style.css";

applyTheme();
store.start();
render(<App />, document.getElementById("app")!);
