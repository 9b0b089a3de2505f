"""Requests are batched while the model works, bounded, and each gets its own result."""

import asyncio
import threading

import pytest

from anyrank.serve.batching import Batcher, Full


def run(coroutine):
    return asyncio.run(coroutine)


def test_what_comes_while_the_model_works_is_one_batch():
    seen, gate = [], threading.Event()

    def call(items):
        seen.append(list(items))
        gate.wait(10)
        return [i * 2 for i in items]

    async def main():
        batcher = Batcher(call, batch=100)
        first = asyncio.create_task(batcher.run([1], [10]))
        while not seen:
            await asyncio.sleep(0.001)
        others = [asyncio.create_task(batcher.run([i], [10])) for i in (2, 3, 4)]
        await asyncio.sleep(0)
        gate.set()
        return [await t for t in (first, *others)]

    assert run(main()) == [[2], [4], [6], [8]]
    assert seen == [[1], [2, 3, 4]]


def test_a_batch_is_bounded_and_one_large_item_goes_alone():
    seen = []

    def call(items):
        seen.append(list(items))
        return items

    async def main():
        return await Batcher(call, batch=10).run([1, 2, 3, 4], [6, 4, 99, 1])

    assert run(main()) == [1, 2, 3, 4]
    assert seen == [[1, 2], [3], [4]]


def test_only_the_item_at_fault_gets_the_error():
    def call(items):
        if "bad" in items:
            raise ValueError("no")
        return items

    async def main():
        batcher = Batcher(call)
        return await asyncio.gather(*(batcher.run([x], [1]) for x in ("a", "bad", "b")), return_exceptions=True)

    a, bad, b = run(main())
    assert (a, b) == (["a"], ["b"])
    assert isinstance(bad, ValueError)


def test_a_full_queue_refuses_and_says_when_to_come_again():
    gate = threading.Event()

    def call(items):
        gate.wait(10)
        return items

    async def main():
        batcher = Batcher(call, batch=10, waiting=1)
        running = asyncio.create_task(batcher.run([1], [10]))
        await asyncio.sleep(0.01)
        with pytest.raises(Full) as error:
            await batcher.run([2], [10])
        gate.set()
        assert await running == [1]
        assert await batcher.run([3], [10]) == [3]
        return error.value.seconds

    assert run(main()) >= 1


def test_large_requests_leave_half_of_the_queue_to_small_ones():
    gate = threading.Event()

    def call(items):
        gate.wait(10)
        return items

    async def main():
        batcher = Batcher(call, batch=160, waiting=1600)
        large = [asyncio.create_task(batcher.run([0] * 100, [100] * 100)) for _ in range(8)]  # 10,000 units each
        await asyncio.sleep(0.01)
        with pytest.raises(Full):
            await batcher.run([0] * 100, [100] * 100)
        small = [asyncio.create_task(batcher.run([i], [80])) for i in range(10)]
        await asyncio.sleep(0.01)
        with pytest.raises(Full):
            await batcher.run([0], [80])
        large.pop().cancel()  # makes room
        await asyncio.sleep(0.01)
        large.append(asyncio.create_task(batcher.run([0] * 100, [100] * 100)))
        gate.set()
        assert [await t for t in small] == [[i] for i in range(10)]
        waited = len(batcher)  # of large requests, when the last small one is answered
        await asyncio.gather(*large)
        assert await batcher.run([0] * 3, [2000] * 3) == [0] * 3
        return waited

    assert run(main()) > 600


def test_a_request_whose_client_left_is_not_worked_on():
    seen, gate = [], threading.Event()

    def call(items):
        seen.extend(items)
        gate.wait(10)
        return items

    async def main():
        batcher = Batcher(call, batch=1)
        first = asyncio.create_task(batcher.run([1], [1]))
        while not seen:
            await asyncio.sleep(0.001)
        left = asyncio.create_task(batcher.run([2], [1]))
        await asyncio.sleep(0)
        left.cancel()
        await asyncio.sleep(0)
        gate.set()
        await first
        await batcher.drain()
        return batcher.pending

    assert run(main()) == 0
    assert seen == [1]


def test_a_wrong_number_of_results_is_an_error():
    async def main():
        await Batcher(lambda items: []).run([1], [1])

    with pytest.raises(RuntimeError, match="0 results for 1"):
        run(main())


@pytest.mark.parametrize(("fill", "batches"), [(False, [[1], [2, 9], [3], [4]]), (True, [[1, 2], [3, 9], [4]])])
def test_a_small_request_does_not_wait_for_all_of_a_large_one(fill, batches):
    seen, gate = [], threading.Event()

    def call(items):
        seen.append(list(items))
        gate.wait(10)
        return items

    async def main():
        batcher = Batcher(call, batch=20, fill=fill)
        large = asyncio.create_task(batcher.run([1, 2, 3, 4], [10] * 4))
        while not seen:
            await asyncio.sleep(0.001)
        small = asyncio.create_task(batcher.run([9], [10]))
        await asyncio.sleep(0)
        gate.set()
        return await small, await large

    assert run(main()) == ([9], [1, 2, 3, 4])
    assert seen == batches
