/** `support/across-on.ts`, on PostgreSQL. */
import { acrossOn } from "./support/across-on.ts";

acrossOn("postgres");
