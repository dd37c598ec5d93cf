import { ArrayView } from './array-view.ts'
import type { Node } from './document.ts'
import { fits, kindOf } from './fits.ts'
import { ObjectView } from './object-view.ts'
import { isListed, type Views } from './view.ts'

/**
 * Whether a value that fits the schemas uses only names that they declare, at every depth: it carries no
 * member that an open object lets pass unseen.
 */
export function isDeclared(value: unknown, nodes: readonly Node[], views: Views): boolean {
  if (typeof value !== 'object' || value === null) return true
  views.work.step()
  const kind = kindOf(value)
  return views.work.deeper(() =>
    views.of(nodes).some((view) => {
      if (view.kind !== kind || view.parts.some((part) => fits(value, part, views.work) === false))
        return false
      if (view.values !== undefined) return isListed(value, view, views.work)
      if (Array.isArray(value)) {
        const array = new ArrayView(view, 'lenient', views.work)
        return value.every((item, index) => {
          const schemas = array.at(index)
          return schemas !== undefined && isDeclared(item, schemas, views)
        })
      }
      const object = new ObjectView(view, 'lenient', views.work)
      return Object.entries(value).every(([name, member]) => {
        const schemas = object.member(name)
        return schemas !== undefined && isDeclared(member, schemas, views)
      })
    }),
  )
}
