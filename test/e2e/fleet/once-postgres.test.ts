/** `support/once-on.ts`, on PostgreSQL. */
import { onceOn } from "./support/once-on.ts";

onceOn("postgres");
