/** How a store's keys are laid out. A store says which version it has; one that is newer than the release is refused. */

export const schemaVersion = 1;
