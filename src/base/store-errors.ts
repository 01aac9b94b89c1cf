/**
 * What can be wrong with a store of configurations, for those who tell the user.
 *
 * Thread: any (pure).
 */

/** The store cannot be reached, or has refused; the message says which store and why. */
export class StoreError extends Error {
  override readonly name = 'StoreError';
}

/** The address of a store is wrong; the message names no secret. */
export class StoreAddressError extends Error {
  override readonly name = 'StoreAddressError';
}
