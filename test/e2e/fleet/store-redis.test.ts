/** `support/store-on.ts`, on Redis. */
import { storeOn } from "./support/store-on.ts";

storeOn("redis");
