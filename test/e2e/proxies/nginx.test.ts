import { behindProxy } from "./support/behind-proxy.ts";

behindProxy("nginx");
