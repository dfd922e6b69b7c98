"""Admin routes for API keys. They require the scope `admin`."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Response
from pydantic import AwareDatetime, Field

from splitleaf.api.admin.schemas import Reason
from splitleaf.api.schemas import Schema
from splitleaf.api.security.key_ring import Identity
from splitleaf.api.services import ApiServices
from splitleaf.core.access import Scope
from splitleaf.core.clock import as_rfc3339
from splitleaf.core.errors import Conflict
from splitleaf.flows.manage_keys import create_key, revoke_key
from splitleaf.flows.run_experiment import ChangeRequest
from splitleaf.outcomes.keys import KeyRecord

KeyId = Annotated[str, Path(pattern="^[0-9a-f]{16}$", examples=["1f3a9c02d4e5b6a7"])]
_TIME = "2026-05-04T09:30:00.000Z"


class NewKey(Reason):
    name: str = Field(
        min_length=1, max_length=100, description="The owner or purpose of the key.", examples=["nightly export"]
    )
    scope: Scope = Field(examples=["read"])
    expires_at: AwareDatetime | None = Field(
        None, description="When the key expires; null means never.", examples=[None]
    )


class KeySchema(Schema):
    id: str = Field(
        description="The beginning of the SHA-256 of the key. It grants no access.", examples=["1f3a9c02d4e5b6a7"]
    )
    name: str = Field(examples=["nightly export"])
    scope: Scope
    source: str = Field(description="`store`, or `settings` for a key from the settings.", examples=["store"])
    created_by: str | None = Field(examples=["key:1f3a9c02"])
    created_at: str | None = Field(examples=[_TIME])
    expires_at: str | None = Field(examples=[None])
    revoked_at: str | None = Field(examples=[None])
    last_used_at: str | None = Field(
        description="Accurate to the minute; null for keys from the settings.", examples=[_TIME]
    )

    @classmethod
    def of(cls, record: KeyRecord) -> KeySchema:
        return cls(
            id=record.key_id,
            name=record.name,
            scope=record.scope,
            source="store",
            created_by=record.created_by,
            created_at=as_rfc3339(record.created_ms),
            expires_at=_time(record.expires_ms),
            revoked_at=_time(record.revoked_ms),
            last_used_at=_time(record.last_used_ms),
        )

    @classmethod
    def of_settings(cls, who: Identity) -> KeySchema:
        return cls(
            id=who.key_id,
            name="",
            scope=who.scope,
            source="settings",
            created_by=None,
            created_at=None,
            expires_at=None,
            revoked_at=None,
            last_used_at=None,
        )


class KeysSchema(Schema):
    keys: list[KeySchema] = Field(description="Newest first, then the keys from the settings.")


class CreatedKeySchema(Schema):
    key: str = Field(description="The key. It is not stored and is shown only this once.")
    record: KeySchema


def add_keys(router: APIRouter, services: ApiServices, may_manage: Any) -> None:
    """Add the routes of `/keys`."""
    store, clock, ring = services.store, services.clock, services.access.keys

    @router.get("/keys", dependencies=[may_manage], summary="List all keys, including revoked ones")
    async def list_keys() -> KeysSchema:
        records = await asyncio.to_thread(store.api_keys)
        from_settings = [KeySchema.of_settings(one) for one in ring.from_settings.values()]
        return KeysSchema(keys=[*(KeySchema.of(one) for one in records), *from_settings])

    @router.post("/keys", status_code=201, summary="Create a key, which is shown only once")
    async def create(body: NewKey, response: Response, actor: str = may_manage) -> CreatedKeySchema:
        request, expires_ms = ChangeRequest(actor, body.reason), _epoch_ms(body.expires_at)
        key, record = await asyncio.to_thread(create_key, store, body.name, body.scope, expires_ms, request, clock)
        ring.forget()
        response.headers["Cache-Control"] = "no-store"
        return CreatedKeySchema(key=key, record=KeySchema.of(record))

    @router.post("/keys/{key_id}/revoke", summary="Revoke a key and end its sessions")
    async def revoke(key_id: KeyId, body: Reason, actor: str = may_manage) -> KeysSchema:
        if key_id in ring.from_settings:
            raise Conflict("this key comes from the settings; remove it there")
        await asyncio.to_thread(revoke_key, store, key_id, ChangeRequest(actor, body.reason), clock)
        ring.forget()
        return await list_keys()


def _time(epoch_ms: int | None) -> str | None:
    return None if epoch_ms is None else as_rfc3339(epoch_ms)


def _epoch_ms(moment: datetime | None) -> int | None:
    return None if moment is None else round(moment.timestamp() * 1000)
