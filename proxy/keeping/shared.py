"""What is not kept in the data folder is none of ours to copy: PostgreSQL and Qdrant have tools for it."""

from proxy.client import Failed
from proxy.settings import Settings


def refuse_shared(settings: Settings) -> None:
    """Raises Failed, which names those tools, where log and history lie in PostgreSQL."""
    if not settings.database.url:
        return
    # It brings the driver, which only they have who need it.
    from proxy.stores.postgres import place

    schema = settings.database.schema
    raise Failed(
        f"log and history lie in {place(settings.database.url)}, vectors in Qdrant at {settings.qdrant.url}: "
        f"back them up with pg_dump --schema={schema} --format=custom and Qdrant's snapshots, restore them with "
        "pg_restore and those"
    )
