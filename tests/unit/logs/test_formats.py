# SPDX-License-Identifier: Apache-2.0
import pytest
from recon_logs import deep_seg, recon_all, recon_surf, status

from nicarbon.errors import LogError
from nicarbon.logs.formats import read_log


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (recon_all()[0], "recon-all"),
        (status(recon_all()[0]), "recon-all"),
        (recon_surf()[0], "recon-surf"),
        (deep_seg()[0], "deep-seg"),
        (deep_seg(1)[0], "deep-seg"),
        ("antsCorticalThickness.sh\n Done with brain extraction:  0h 1m 3s\n", "antsCort"),
    ],
)
def test_a_log_is_known_by_what_it_holds_not_by_its_name(tmp_path, text, name):
    path = tmp_path / "renamed.txt"
    path.write_text(text)
    assert read_log(path).format.startswith(name)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"\n \n", "is empty"),
        (b"a letter to the editor\n", "is no log that a reader knows"),
        (b"\x7fELF\x02\x01" * 50, "is no log that a reader knows"),
        (b"../../.git/annex/objects/SHA256E-s59--57.log", "datalad get"),
        (b"version https://git-lfs.github.com/spec/v1\n", "only points"),
        (recon_all()[0].encode()[:260], "holds no step"),
    ],
)
def test_what_is_no_log_is_said_in_one_line(tmp_path, content, message):
    path = tmp_path / "recon-all.log"
    path.write_bytes(content)
    with pytest.raises(LogError, match=message) as caught:
        read_log(path)
    assert "\n" not in str(caught.value)
