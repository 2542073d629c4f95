/** `support/once-on.ts`, on Redis. */
import { onceOn } from "./support/once-on.ts";

onceOn("redis");
