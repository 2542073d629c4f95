/** The page's beginning. */
import { createRoot } from "react-dom/client";
import { App } from "./app.tsx";
import { applyStoredTheme } from "./theme.ts";
import "./styles/tokens.css";
import "./styles/layout.css";
import "./styles/talk.css";
import "./styles/panels.css";

applyStoredTheme();
const root = document.getElementById("root");
if (root !== null) createRoot(root).render(<App />);
