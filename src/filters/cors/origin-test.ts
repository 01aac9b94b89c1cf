/**
 * Whether a page of this origin may read a reply.
 *
 * Thread: any (pure).
 */

/** Exact, but for hosts below one that is written `*.`. */
export function originTest(origins: readonly string[]): (origin: string) => boolean {
  if (origins.includes('*')) return () => true;
  const exact = new Set(origins);
  const below = origins
    .filter((origin) => origin.includes('://*.'))
    .map((origin) => {
      const [scheme = '', rest = ''] = origin.split('*');
      return { scheme, rest };
    });
  return (origin) =>
    exact.has(origin) ||
    below.some(
      ({ scheme, rest }) =>
        origin.startsWith(scheme) &&
        origin.endsWith(rest) &&
        /^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/.test(
          origin.slice(scheme.length, origin.length - rest.length),
        ),
    );
}
