/**
 * Reads objects of Kubernetes, which anybody in the cluster may have written.
 *
 * Thread: any (pure). What is missing or of another type counts as absent.
 */
import { isObject } from '../../base/json-object.js';
import type { KubeJson } from '../kubernetes-settings.js';

export type { KubeJson };

export function isKubeJson(value: unknown): value is KubeJson {
  return isObject(value);
}

export function recordAt(object: KubeJson, field: string): KubeJson {
  const value = object[field];
  return isKubeJson(value) ? value : {};
}

export function listAt(object: KubeJson, field: string): readonly KubeJson[] {
  const value = object[field];
  return Array.isArray(value) ? value.filter(isKubeJson) : [];
}

export function textsAt(object: KubeJson, field: string): readonly string[] {
  const value = object[field];
  return Array.isArray(value) ? value.filter((one) => typeof one === 'string') : [];
}

/** '': there is no text. */
export function textAt(object: KubeJson, field: string): string {
  const value = object[field];
  return typeof value === 'string' ? value : '';
}

/** `NAMESPACE/NAME`. */
export function placeOf(object: KubeJson): string {
  const metadata = recordAt(object, 'metadata');
  return `${textAt(metadata, 'namespace')}/${textAt(metadata, 'name')}`;
}
