/** Numbers of the contract that also those read who carry no schemas: the publisher and the client. */

export const minLeaseMs = 1_000;
export const maxLeaseMs = 3_600_000;
/** What the server gives a run that names none, unless its operator says otherwise. */
export const defaultLeaseMs = 30_000;
export const maxEventsPerPublish = 1_000;

/** How long events are kept: a second to ten years. */
export const minRetentionMs = 1_000;
export const maxRetentionMs = 315_360_000_000;

/** Events of a batch, and how long they may wait for each other: what a connection may ask for. */
export const minBatchEvents = 5;
export const maxBatchEvents = 20;
export const minBatchDelayMs = 50;
export const maxBatchDelayMs = 100;
