import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { FairQueue } from '../../../src/broker/validation/fair-queue.ts'
import { check } from '../../core/property.ts'

/** Adds items such as `p a 1`: the project, the sender, and a number. */
function push(queue: FairQueue<string>, item: string): string | undefined {
  const [project, sender] = item.split(' ')
  return queue.push(project!, sender!, item)
}

function takeAll(queue: FairQueue<string>): string[] {
  const taken: string[] = []
  for (let item = queue.take(); item; item = queue.take()) taken.push(item)
  return taken
}

test('turns go round projects, then senders', () => {
  const queue = new FairQueue<string>(10)
  expect(queue.empty).toBeTrue()
  for (const item of ['p a 1', 'p a 2', 'p a 3', 'p b 1', 'q c 1', 'q c 2']) push(queue, item)
  expect(queue.empty).toBeFalse()
  expect(takeAll(queue)).toEqual(['p a 1', 'q c 1', 'p b 1', 'q c 2', 'p a 2', 'p a 3'])
  expect(queue.empty).toBeTrue()
})

test('a sender or a project that comes during the turn of another has the next one', () => {
  const queue = new FairQueue<string>(10)
  for (const item of ['p a 1', 'p a 2', 'p a 3']) push(queue, item)
  expect(queue.take()).toBe('p a 1')
  push(queue, 'p b 1')
  expect(queue.take()).toBe('p b 1')
  push(queue, 'p b 2')
  push(queue, 'q c 1')
  expect(takeAll(queue)).toEqual(['q c 1', 'p a 2', 'p b 2', 'p a 3'])
})

test('a full project takes no more, unless one sender has more than its share', () => {
  const queue = new FairQueue<string>(3)
  for (const item of ['p a 1', 'p a 2', 'p a 3']) expect(push(queue, item)).toBeUndefined()
  expect(push(queue, 'p a 4')).toBe('p a 4')
  expect(push(queue, 'p b 1')).toBe('p a 3')
  expect(push(queue, 'p b 2')).toBe('p b 2')
  expect(push(queue, 'p c 1')).toBe('p a 2')
  expect(push(queue, 'p d 1')).toBe('p d 1')
  expect(push(queue, 'q a 1')).toBeUndefined()
  expect(takeAll(queue)).toEqual(['p a 1', 'q a 1', 'p b 1', 'p c 1'])
})

test('no item is lost or comes twice, a sender keeps its order, and no project has more than it may', () => {
  const name = fc.constantFrom('a', 'b', 'c')
  const step = fc.option(fc.record({ project: name, sender: name }), { freq: 2 })
  check(500, fc.tuple(fc.integer({ min: 1, max: 6 }), fc.array(step, { maxLength: 60 })), ([max, steps]) => {
    const queue = new FairQueue<string>(max)
    const waiting = new Set<string>()
    const taken: string[] = []
    const take = () => {
      const item = queue.take()
      if (item === undefined) return expect(waiting.size).toBe(0)
      expect(waiting.delete(item)).toBeTrue()
      taken.push(item)
    }
    for (const [n, one] of steps.entries()) {
      if (!one) take()
      else {
        const item = `${one.project} ${one.sender} ${n}`
        waiting.add(item)
        const removed = push(queue, item)
        if (removed) expect(waiting.delete(removed)).toBeTrue()
        const own = [...waiting].filter((other) => other.startsWith(one.project))
        expect(own.length).toBeLessThanOrEqual(max)
      }
    }
    while (waiting.size > 0) take()
    expect(queue.empty).toBeTrue()
    for (const place of new Set(taken.map((item) => item.slice(0, 3)))) {
      const numbers = taken.filter((item) => item.startsWith(place)).map((item) => Number(item.slice(4)))
      expect(numbers).toEqual(numbers.toSorted((x, y) => x - y))
    }
  })
})
