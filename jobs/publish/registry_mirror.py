"""Mirror of the registry's cards in MongoDB's `models`, for readers of MongoDB. The lake holds the originals."""

from pymongo import ReplaceOne

from jobs.lake.model_registry import ModelRegistry
from jobs.mongo.connection import MongoDatabase


def mirror(database: MongoDatabase, registry: ModelRegistry) -> None:
    """Write a document per card, `_id` NAME/DIGEST, with `live`; documents of deleted models are deleted."""
    cards = {f"{card['name']}/{card['digest']}": {**card, "live": live} for card, live in registry.cards()}
    if cards:
        database.models.bulk_write([ReplaceOne({"_id": name}, card, upsert=True) for name, card in cards.items()])
    database.models.delete_many({"_id": {"$nin": sorted(cards)}})
