"""docker-compose.yml is one that Compose accepts, publishes nothing beyond this machine, and holds no secret."""

import re
import shutil
import subprocess

from jobs.settings import REPOSITORY

FILE = REPOSITORY / "docker-compose.yml"


def test_compose_accepts_the_file() -> None:
    for command in (["docker-compose"], ["docker", "compose"]):
        if shutil.which(command[0]) and not subprocess.run([*command, "version"], capture_output=True, check=False).returncode:
            done = subprocess.run([*command, "-f", str(FILE), "config", "-q"], capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr
            return
    # without Compose: at least every service has an image and YAML's anchors are all defined
    text = FILE.read_text()
    assert set(re.findall(r"\*([\w-]+)", text)) <= set(re.findall(r"&([\w-]+)", text))


def test_ports_stay_on_this_machine_and_no_secret_is_written_down() -> None:
    text = FILE.read_text()
    assert all(port.startswith("127.0.0.1:") for port in re.findall(r'- "([\d.:]+:\d+)"', text))
    assert not re.search(r"(?i)password: (?!.*file)", text)
    assert "mongodb://" not in text
