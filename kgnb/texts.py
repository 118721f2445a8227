"""Every sentence that a person reads, in Chinese and English, in one table.

``say("key", name=value)`` renders one. An error's text ends in what to do next. Log lines, help texts and
panel labels live here too, so that one word stands for one thing everywhere
(实体 entity, 关系 relation, 章节 chapter, 节点 node, 槽位 slot, 租约 lease).
"""

from __future__ import annotations

from typing import Literal

Language = Literal["zh", "en"]

_language: Language = "zh"


def use_language(language: Language) -> None:
    """Chooses the language of every later :func:`say`."""
    global _language
    _language = language


def language() -> Language:
    """The language in force."""
    return _language


def say(key: str, **facts: object) -> str:
    """The text named ``key`` in the language in force, with ``facts`` filled in.

    Raises KeyError for an unknown key or a missing fact: a typo must not reach a user as an odd sentence.
    """
    zh, en = TEXTS[key]
    return (zh if _language == "zh" else en).format(**facts)


# Keys are "<area>.<what>". Keep each area together and sorted by where it shows.
TEXTS: dict[str, tuple[str, str]] = {
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
        "Files of kind {kind} can't be read: {path}. Convert it to .txt, .md or .epub first (with Calibre, say).",
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
    # --- settings ---
    "settings.invalid": (
        "设置 {name} 不对：{reason}。请改正这个环境变量或 .env 里的这一行。",
        "Setting {name} is wrong: {reason}. Correct the environment variable or its line in .env.",
    ),
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
    # --- queue ---
    # --- ledger ---
    # --- graph ---
    # --- extract ---
    # --- picture and exchange ---
    # --- node, log lines ---
    # --- cli ---
}
