/** The bell's channels: a stream rings on one of them, and a node listens on those of the streams that it follows. */
import { crc32 } from "node:zlib";
import type { StreamKey } from "../../../protocol/ids.ts";

/** More would only be more words to LISTEN to; a node with many readers listens on all of them. */
const bellShards = 16;

export const shardOf = (stream: StreamKey): number => crc32(stream) % bellShards;

/** In a database, and of a schema that was checked: never longer than PostgreSQL takes. */
export const channelOf = (schema: string, shard: number): string => `runcast_${schema}_${shard}`;
