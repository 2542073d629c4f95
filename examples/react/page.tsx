/** The page's entry: a real one would get its token from a login. */
import { createRoot } from "react-dom/client";
import { App } from "./app.tsx";

const root = document.getElementById("root");
if (root !== null) createRoot(root).render(<App token="alices-session" />);
