"""Pages of what lies outside the folder of the documentation: notebooks, changelog.

Notebooks are shown with the outputs and figures that they were saved with. Nothing is
run: cells become Markdown, outputs fenced text, figures files beside it.
"""

import base64
import json
from pathlib import Path

from mkdocs.structure.files import File


def fenced(text: str, language: str) -> str:
    return f"````{language}\n{text.rstrip()}\n````"


def shown(outputs: list, stem: str, title: str, figures: dict[str, bytes]) -> list[str]:
    """What a cell printed and drew, in order; figures are put into `figures`."""
    text, parts = "", []
    for output in outputs:
        data = output.get("data", {})
        if "image/png" in data:
            name = f"{stem}-{len(figures) + 1}.png"
            figures[name] = base64.b64decode(data["image/png"])
            parts.append(f"![Figure {len(figures)} of {title}]({name})")
        elif output["output_type"] == "stream":
            text += "".join(output["text"])
        else:
            text += "".join(data.get("text/plain", [])) + "\n"
    return [fenced(text, "{ .text .output }")] * bool(text.strip()) + parts


def page(path: Path) -> tuple[str, dict[str, bytes]]:
    """A notebook in Markdown, and its figures by name."""
    parts: list[str] = []
    figures: dict[str, bytes] = {}
    for cell in json.loads(path.read_text())["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            parts.append(source)
        else:
            title = parts[0].splitlines()[0].strip("# ") if parts else path.stem
            outputs = shown(cell["outputs"], path.stem, title, figures)
            parts += [fenced(source, "python"), *outputs]
    return "\n\n".join(parts) + "\n", figures


def on_files(files, config):
    root = Path(config.config_file_path).parent
    changes = (root / "CHANGELOG.md").read_text().replace("](docs/", "](")
    files.append(File.generated(config, "changelog.md", content=changes))
    for path in sorted((root / "notebooks").glob("*.ipynb")):
        text, figures = page(path)
        made = {f"{path.stem}.md": text, **figures}
        for name, content in made.items():
            uri = f"notebooks/{name}"
            files.append(File.generated(config, uri, content=content))
    return files
