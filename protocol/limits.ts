/** Numbers of the contract that also those read who carry no schemas: the publisher and the client. */

export const minLeaseMs = 1_000;
export const maxLeaseMs = 3_600_000;
/** What the server gives a run that names none, unless its operator says otherwise. */
export const defaultLeaseMs = 30_000;
export const maxEventsPerPublish = 1_000;
