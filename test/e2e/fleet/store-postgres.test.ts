/** `support/store-on.ts`, on PostgreSQL. */
import { storeOn } from "./support/store-on.ts";

storeOn("postgres");
