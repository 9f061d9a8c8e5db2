"""Cloudflare's own Python SDK, whichever version is on the path."""

from __future__ import annotations

import base64
import json
import sys
from pathlib import Path
from typing import Any


def answer(job: dict[str, Any]) -> dict[str, Any]:
    import cloudflare
    import httpx

    paths: list[str] = []

    def note(request: httpx.Request) -> None:
        paths.append(request.url.raw_path.decode())

    client = cloudflare.Cloudflare(
        base_url=f"{job['url']}/client/v4",
        api_token=job["token"],
        max_retries=job.get("retries", 0),
        default_headers={"x-asrkit-fault": job["fault"]} if job.get("fault") else {},
        http_client=httpx.Client(event_hooks={"request": [note]}),
    )
    account, model = job["account"], job.get("model")
    sound = Path(job["audio"]).read_bytes() if job.get("audio") else b""
    try:
        with client:
            if job["form"] == "array":
                result: Any = client.ai.run(model, account_id=account, audio=list(sound))
            elif job["form"] == "base64":
                text: Any = base64.b64encode(sound).decode()
                result = client.ai.run(model, account_id=account, audio=text, extra_body=job.get("options", {}))
            elif job["form"] == "raw":
                envelope: Any = client.post(
                    f"/accounts/{account}/ai/run/{model}",
                    cast_to=object,
                    content=sound,
                    options={"headers": {"Content-Type": "audio/wav"}},
                )
                result = envelope["result"]
            elif job["form"] == "models":
                result = [found["name"] for found in client.ai.models.list(account_id=account, **job["options"])]
            elif job["form"] == "schema":
                result = client.ai.models.schema.get(account_id=account, model=model)
                result = result if isinstance(result, dict) else result.to_dict()
            else:
                raise ValueError(job["form"])
    except cloudflare.APIError as error:
        return {
            "error": type(error).__name__,
            "status": getattr(error, "status_code", None),
            "errors": [[told.code, told.message] for told in getattr(error, "errors", [])],
            "paths": paths,
        }
    return {"result": result, "paths": paths}


def main() -> None:
    import cloudflare

    print(json.dumps({"version": cloudflare.__version__}), flush=True)
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
