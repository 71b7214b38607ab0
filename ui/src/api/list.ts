import type { Page } from './types';

/** The items of an answer that is a page or a plain list. */
export function listOf<T>(answer: T[] | Page<T>): T[] {
  return Array.isArray(answer) ? answer : answer.items;
}
