/**
 * Selectors of labels, as objects of Kubernetes have them.
 *
 * Thread: any (pure). A selector without conditions selects everything; an operator that is not
 * known selects nothing.
 */
import { type KubeJson, listAt, recordAt, textAt, textsAt } from './kube-json.js';

export function isSelected(labels: KubeJson, selector: KubeJson): boolean {
  const wanted = Object.entries(recordAt(selector, 'matchLabels'));
  if (!wanted.every(([key, value]) => labels[key] === value)) return false;
  return listAt(selector, 'matchExpressions').every((one) => fits(labels, one));
}

function fits(labels: KubeJson, expression: KubeJson): boolean {
  const key = textAt(expression, 'key');
  const values = textsAt(expression, 'values');
  const isThere = Object.hasOwn(labels, key);
  switch (textAt(expression, 'operator')) {
    case 'In':
      return isThere && values.includes(textAt(labels, key));
    case 'NotIn':
      return !isThere || !values.includes(textAt(labels, key));
    case 'Exists':
      return isThere;
    case 'DoesNotExist':
      return !isThere;
    default:
      return false;
  }
}
