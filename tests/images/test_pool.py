"""The pool of decoding children: what an image, a child or a crowd can do to it."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager, suppress

import pytest
import uvloop

from splitleaf.core.errors import DependencyDown, Overloaded, RejectedImage, RejectedInput
from splitleaf.core.preprocessing import ColorOrder, Fit, InputSpec, ResizeFilter
from splitleaf.images.decoded import decode_image
from splitleaf.images.intake import DecodedImage
from splitleaf.images.limits import ImageLimits
from splitleaf.images.pool import PooledIntake
from tests.images.corpus.images import jpeg, photo, png
from tests.images.corpus.surgery import deflated_zeros, header, png_of
from tests.images.misbehaving_child import ATTEMPTS, order

SPECS = (InputSpec(64, 96), InputSpec(32, 32, ColorOrder.GRAY, ResizeFilter.TF_BILINEAR, Fit.CROP))
LEAF = jpeg(photo(128, 96))


@asynccontextmanager
async def pool(limits: ImageLimits | None = None, children: int = 1) -> AsyncIterator[PooledIntake]:
    """Real children that also take orders to misbehave."""
    intake = await PooledIntake.start(limits or ImageLimits(), children, child_module="tests.images.misbehaving_child")
    try:
        yield intake
    finally:
        await intake.close()


async def code_of(answer: Awaitable[DecodedImage]) -> str:
    with pytest.raises(RejectedInput) as caught:
        await answer
    return caught.value.error_code


def pids(intake: PooledIntake) -> set[int]:
    return {decoder.process.pid for decoder in intake._decoders}


def contents(image: DecodedImage) -> list[bytes]:
    return [bytes(tensor.data) for tensor in image.tensors]


async def test_an_image_comes_back_as_the_pure_function_decodes_it() -> None:
    async with pool() as intake:
        there = await intake.decode(LEAF, SPECS)
    here = decode_image(LEAF, SPECS)
    assert contents(there) == contents(here)
    assert [(t.shape, t.dtype) for t in there.tensors] == [((64, 96, 3), "uint8"), ((32, 32, 1), "float32")]
    assert (there.width, there.height, there.flags) == (here.width, here.height, here.flags) == (128, 96, ())


async def test_a_tensor_cannot_be_changed_by_whoever_holds_it() -> None:
    async with pool() as intake:
        (tensor, _) = (await intake.decode(LEAF, SPECS)).tensors
    assert isinstance(tensor.data, memoryview)
    assert tensor.data.readonly


async def test_many_images_at_once_each_get_their_own_answer() -> None:
    uploads = [png(photo(40 + i, 50)) for i in range(40)]
    async with pool(children=2) as intake:
        images = await asyncio.gather(*(intake.decode(upload, SPECS[:1]) for upload in uploads))
    assert [image.width for image in images] == [40 + i for i in range(40)]


async def test_a_refusal_crosses_with_its_code_and_the_next_image_is_served() -> None:
    async with pool() as intake:
        assert await code_of(intake.decode(LEAF[:-2], SPECS)) == "image_truncated"
        assert (await intake.decode(LEAF, SPECS)).width == 128


async def test_an_upload_is_let_go_with_its_answer_even_when_it_is_refused() -> None:
    async with pool() as intake:
        for upload in (LEAF, LEAF[:-2]):
            held_before = sys.getrefcount(upload)
            gc.disable()
            try:
                for _ in range(9):
                    with suppress(RejectedImage):
                        await intake.decode(upload, SPECS)
                # The event loop may still know of the last one.
                assert sys.getrefcount(upload) <= held_before + 1
            finally:
                gc.enable()


@pytest.mark.parametrize("deed", ["die", "crash"])
async def test_an_image_that_kills_its_child_twice_is_refused_and_hurts_no_other(deed: str) -> None:
    async with pool() as intake:
        bad = asyncio.create_task(code_of(intake.decode(order(deed), SPECS)))
        good = [asyncio.create_task(intake.decode(LEAF, SPECS)) for _ in range(3)]
        assert await bad == "image_corrupt"
        assert [image.width for image in await asyncio.gather(*good)] == [128, 128, 128]


async def test_an_image_whose_child_is_killed_from_outside_is_decoded_by_another() -> None:
    async with pool() as intake:
        before = pids(intake)
        for pid in before:
            os.kill(pid, signal.SIGSTOP)
        answer = asyncio.create_task(intake.decode(LEAF, SPECS))
        await asyncio.sleep(0)
        for pid in before:
            os.kill(pid, signal.SIGKILL)
        assert (await answer).width == 128
        assert pids(intake).isdisjoint(before)


async def test_a_child_that_hangs_is_killed_and_what_waited_behind_it_is_served() -> None:
    async with pool(ImageLimits(time_limit_ms=200)) as intake:
        bad = asyncio.create_task(code_of(intake.decode(order("hang"), SPECS)))
        good = asyncio.create_task(intake.decode(LEAF, SPECS))
        assert await bad == "image_too_complex"
        assert (await good).width == 128


async def test_the_system_ends_a_child_that_takes_too_much_processor_time() -> None:
    async with pool(ImageLimits(max_cpu_s=0)) as intake:
        assert await code_of(intake.decode(order("spin"), SPECS)) == "image_too_complex"
        assert (await intake.decode(LEAF, SPECS)).width == 128


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux enforces the limit of the address space")
async def test_an_image_that_needs_too_much_memory_is_refused_by_a_child_that_lives_on() -> None:
    async with pool(ImageLimits(memory_bytes=64 << 20)) as intake:
        before = pids(intake)
        big = png_of(header(5000, 5000), data=deflated_zeros(5000 * 15001))
        assert await code_of(intake.decode(big, SPECS)) == "image_too_complex"
        assert (await intake.decode(LEAF, SPECS)).width == 128
        assert pids(intake) == before


async def test_a_child_can_neither_open_nor_connect_nor_start_anything() -> None:
    async with pool() as intake:
        answers = {attempt: await code_of(intake.decode(order(attempt), SPECS)) for attempt in ATTEMPTS}
    assert [attempt for attempt, code in answers.items() if code != "image_too_small"] == [], "these succeeded"


async def test_a_child_sees_nothing_of_our_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPLITLEAF_SECRET", "a")
    async with pool() as intake:
        assert await code_of(intake.decode(order("environment"), SPECS)) == "image_too_small", "it saw more"


async def test_a_child_that_lies_is_killed_and_believed_in_nothing() -> None:
    async with pool() as intake:
        for lie in ("wrong size", "wrong number", "wrong status", "wrong sides", "stutter"):
            before = pids(intake)
            assert await code_of(intake.decode(order(lie), SPECS)) == "image_corrupt", lie
            assert (await intake.decode(LEAF, SPECS)).width == 128
            assert pids(intake).isdisjoint(before)


async def test_an_answer_that_nobody_asked_for_ends_the_child() -> None:
    async with pool() as intake:
        before = pids(intake)
        assert await code_of(intake.decode(order("unasked"), SPECS)) == "image_corrupt"
        assert (await intake.decode(LEAF, SPECS)).width == 128
        assert pids(intake).isdisjoint(before)


async def test_too_many_waiting_images_are_turned_away() -> None:
    async with pool(ImageLimits(max_waiting=2)) as intake:
        tasks = [asyncio.create_task(intake.decode(order("hang"), SPECS))]
        await asyncio.sleep(0)
        tasks += [asyncio.create_task(intake.decode(LEAF, SPECS)) for _ in range(4)]
        await asyncio.sleep(0)
        with pytest.raises(Overloaded):
            await intake.decode(LEAF, SPECS)
        await intake.close()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_too_many_waiting_bytes_are_turned_away() -> None:
    upload = LEAF + bytes(1 << 20)
    async with pool(ImageLimits(max_waiting_bytes=2 << 20)) as intake:
        tasks = [asyncio.create_task(intake.decode(order("hang"), SPECS))]
        tasks += [asyncio.create_task(intake.decode(upload, SPECS))]
        await asyncio.sleep(0)
        with pytest.raises(Overloaded):
            await intake.decode(upload, SPECS)
        await intake.close()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_an_image_that_waited_too_long_is_turned_away() -> None:
    async with pool(ImageLimits(max_wait_ms=100)) as intake:
        blocker = asyncio.create_task(intake.decode(order("hang"), SPECS))
        await asyncio.sleep(0)
        with pytest.raises(Overloaded):
            await intake.decode(LEAF + bytes(1 << 20), SPECS)
        blocker.cancel()


async def test_a_caller_that_goes_away_leaves_the_others_served() -> None:
    async with pool() as intake:
        gone = [asyncio.create_task(intake.decode(LEAF, SPECS)) for _ in range(8)]
        await asyncio.sleep(0)
        for task in gone:
            task.cancel()
        assert (await intake.decode(LEAF, SPECS)).width == 128


async def test_worn_children_are_replaced_without_losing_an_image() -> None:
    async with pool(ImageLimits(recycle_after=10), children=2) as intake:
        before = pids(intake)
        for _ in range(30):
            images = await asyncio.gather(*(intake.decode(LEAF, SPECS) for _ in range(4)))
            assert [image.width for image in images] == [128] * 4
            await asyncio.sleep(0.02)
        async with asyncio.timeout(20):
            while pids(intake) & before:
                await intake.decode(LEAF, SPECS)
                await asyncio.sleep(0.02)


async def test_a_swollen_child_is_replaced() -> None:
    async with pool(ImageLimits(max_resident_bytes=1)) as intake:
        before = pids(intake)
        async with asyncio.timeout(20):
            while pids(intake) & before:
                assert (await intake.decode(LEAF, SPECS)).width == 128
                await asyncio.sleep(0.02)
                if sys.platform != "linux":
                    pytest.skip("only Linux tells the resident memory")


async def test_closing_answers_everybody_and_leaves_no_process() -> None:
    async with pool() as intake:
        processes = [decoder.process for decoder in intake._decoders]
        waiting = [asyncio.create_task(intake.decode(order("hang"), SPECS)) for _ in range(5)]
        await asyncio.sleep(0)
        await intake.close()
        results = await asyncio.gather(*waiting, return_exceptions=True)
        assert all(isinstance(result, Overloaded) for result in results)
        assert all(process.poll() is not None for process in processes)
        with pytest.raises(Overloaded):
            await intake.decode(LEAF, SPECS)


async def test_children_that_cannot_start_are_said_so_soon() -> None:
    with pytest.raises(DependencyDown):
        await PooledIntake.start(ImageLimits(), 1, child_module="tests.images.no_such_child")


async def test_the_cheap_refusals_are_made_without_a_child() -> None:
    async with pool() as intake:
        for pid in pids(intake):
            os.kill(pid, signal.SIGSTOP)
        assert await code_of(intake.decode(b"", SPECS)) == "image_empty"
        assert await code_of(intake.decode(b"GIF89a", SPECS)) == "unsupported_media_type"
        assert await code_of(intake.decode(LEAF + bytes(11 << 20), SPECS)) == "payload_too_large"


async def test_an_interrupt_at_the_terminal_does_not_end_the_children() -> None:
    async with pool() as intake:
        before = pids(intake)
        for pid in before:
            os.kill(pid, signal.SIGINT)
            os.kill(pid, signal.SIGTERM)
        assert (await intake.decode(LEAF, SPECS)).width == 128
        assert pids(intake) == before


def test_it_runs_on_uvloop() -> None:
    async def work() -> int:
        async with pool(children=2) as intake:
            with suppress(RejectedImage):
                await intake.decode(order("die"), SPECS)
            images = await asyncio.gather(*(intake.decode(LEAF, SPECS) for _ in range(50)))
            return sum(image.width == 128 for image in images)

    assert uvloop.run(work()) == 50
