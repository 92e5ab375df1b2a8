# SPDX-License-Identifier: Apache-2.0
"""The one table of the house that tests/lint checks: layers, owners of foreign headers, sizes, top level."""

# Folder of core/ (`api` and `ui` are web/api and web/ui) -> layer. An include goes to a lower layer only.
LAYERS = {
    "include": -1,
    "base": 0,
    "conf": 1, "db": 1, "http": 1, "jose": 1, "upstream": 1,
    "plugin": 2, "wire": 2, "ledger": 2, "keys": 2, "store": 2,
    "gateway": 3,
    "admin": 4,
    "fs": 5, "bus": 5, "api": 5,
    "daemon": 6,
}

# Folders that stand apart from the layers -> what they may use.
APART = {"cli": {"base"}}

# Foreign header (regular expression, whole name) -> the one folder that includes it; two share OpenSSL's TLS, whose
# names follow a blank.
FOREIGN = {
    r"libconfig\.h": "conf",
    r"sqlite3\.h": "db",
    r"openssl/(crypto|evp)\.h": "base jose",
    r"openssl/(core_names|param_build|ecdsa|rsa)\.h": "http jose",
    r"openssl/.*": "http upstream",
    r"curl/.*": "upstream",
    r"dlfcn\.h": "plugin",
    r"fuse.*\.h": "fs",
    r"systemd/.*": "bus",
    r"civetweb\.h": "api",
    r"jansson\.h": "base",
    r"g(lib|io|object|module)(-.*|\.h|/.*)": "base",
}

# Foreign headers that a plugin may include too: it is a house of its own, beside the owner folder of core/.
PLUGIN_HEADERS = {"jansson.h", "openssl/crypto.h", "openssl/evp.h", "openssl/hmac.h"}

# What plugins share, compiled into each.
PLUGIN_SHARED = "plugins/common"

# Dependency variable of meson.build -> the folder that links it. `threads` is everybody's.
FOREIGN_DEPS = {
    "libconfig": "conf", "sqlite": "db", "openssl": "http upstream", "crypto": "base jose", "curl": "upstream",
    "dl": "plugin", "fuse": "fs", "systemd": "bus", "civetweb": "api", "jansson": "base", "glib": "base",
}
COMMON_DEPS = {"threads"}

# The only headers of the plugin ABI's own includes.
ABI_HEADERS = {"stddef.h", "stdint.h"}

FUNCTION_LINES = 100
FUNCTION_LINES_WARN = 60
FILE_LINES = 1000
FILE_LINES_WARN = 600
HEADER_LINES = 300

# The only formats that make SQL text: a pragma takes no bound value, and the number is the program's own.
SQL_FORMATS = {"PRAGMA user_version = %u"}

TOP_LEVEL = {"core", "plugins", "web", "packaging", "tests", "meson.build", "README.md", "meson_options.txt",
             "LICENSE"}
