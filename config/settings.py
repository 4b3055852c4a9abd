"""Settings of every process; what differs between installations comes from the environment (config/environment.py)."""

import os
from datetime import timedelta
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured
from django.utils.csp import CSP

from config import environment
from config.database import APP_ROLE, connection
from config.mail import mailer

BASE_DIR = Path(__file__).resolve().parent.parent
HOME = Path(os.environ.get("AGENTOPS_HOME", BASE_DIR / "var")).resolve()

# The supervisor sets AGENTOPS_EMBEDDED=1 when it starts the database itself (a trial on one machine). Without it the
# installation counts as production and insecure values are refused below.
EMBEDDED = environment.flag("AGENTOPS_EMBEDDED", default=False)
DEBUG = environment.flag("DEBUG", default=False)
SECRET_KEY = environment.text("SECRET_KEY")
DATABASE_URL = environment.text("DATABASE_URL")
REDIS_URL = environment.text("REDIS_URL")
PUBLIC_URL = environment.text("PUBLIC_URL", f"http://localhost:{environment.number('PORT', 8000)}").rstrip("/")
ALLOWED_HOSTS = environment.words("ALLOWED_HOSTS", "localhost,127.0.0.1,[::1],.localhost" if EMBEDDED else "")
CSRF_TRUSTED_ORIGINS = environment.words("CSRF_TRUSTED_ORIGINS", PUBLIC_URL)

if not SECRET_KEY:
    raise ImproperlyConfigured("SECRET_KEY is not set: start with `make run`, or set SECRET_KEY or SECRET_KEY_FILE")
if not EMBEDDED:
    if len(SECRET_KEY) < 50:
        raise ImproperlyConfigured(f"SECRET_KEY has {len(SECRET_KEY)} characters: production needs 50 or more")
    if DEBUG:
        raise ImproperlyConfigured("DEBUG=1 shows internals to visitors: take it out in production")
    if "*" in ALLOWED_HOSTS or not ALLOWED_HOSTS:
        raise ImproperlyConfigured("ALLOWED_HOSTS must name the hosts that this installation answers to, without *")

INSTALLED_APPS = [
    "apps.core",
    "apps.audit",
    "apps.organizations",
    "apps.registry",
    "apps.telemetry",
    "apps.home",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "django.contrib.postgres",
    "django_htmx",
    "rest_framework",
    "drf_spectacular",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.openid_connect",
    "lucide",
]

MIDDLEWARE = [
    "apps.core.middleware.RequestMiddleware",
    "apps.core.middleware.HealthMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.middleware.csp.ContentSecurityPolicyMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "apps.core.middleware.ErrorMiddleware",
    "apps.organizations.middleware.OrganizationMiddleware",
    "allauth.account.middleware.AccountMiddleware",
]

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
APPEND_SLASH = True

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.csp",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "apps.organizations.navigation.shell",
            ],
        },
    },
]

DATABASES = {
    "default": connection(
        DATABASE_URL, role=APP_ROLE, secret_key=SECRET_KEY, own_url=environment.text("DATABASE_APP_URL")
    ),
    "owner": connection(DATABASE_URL),
}
DATABASES["owner"]["CONN_MAX_AGE"] = 0
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": REDIS_URL,
        "KEY_PREFIX": "agentops",
    }
    if REDIS_URL
    else {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}
}

CELERY_BROKER_URL = REDIS_URL or "memory://"
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
# Sweeps claim rows, so one that is cut off is simply done again.
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = True
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BEAT_SCHEDULE: dict = {}  # filled by core.background.sweep

# People sign in with their e-mail address; allauth keeps passwords, second factors and single sign-on.
AUTH_USER_MODEL = "organizations.User"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "account_login"
ACCOUNT_LOGOUT_REDIRECT_URL = "/accounts/login/"
LOGIN_REDIRECT_URL = "/"
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_UNIQUE_EMAIL = True
# A trial on one machine has no mail server to confirm an address with; production must confirm.
ACCOUNT_EMAIL_VERIFICATION = environment.text("EMAIL_VERIFICATION", "optional" if EMBEDDED else "mandatory")
ACCOUNT_PREVENT_ENUMERATION = True
ACCOUNT_SESSION_REMEMBER = True
ACCOUNT_REAUTHENTICATION_REQUIRED = True
ACCOUNT_DEFAULT_HTTP_PROTOCOL = PUBLIC_URL.partition(":")[0]
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = PUBLIC_URL.startswith("http://localhost")
MFA_TOTP_ISSUER = "AgentOps"
SOCIALACCOUNT_ONLY = False
SOCIALACCOUNT_EMAIL_AUTHENTICATION = False
SOCIALACCOUNT_PROVIDERS = {}
if environment.text("OIDC_SERVER_URL"):
    SOCIALACCOUNT_PROVIDERS["openid_connect"] = {
        "APPS": [
            {
                "provider_id": "sso",
                "name": environment.text("OIDC_NAME", "Single sign-on"),
                "client_id": environment.text("OIDC_CLIENT_ID"),
                "secret": environment.text("OIDC_CLIENT_SECRET"),
                "settings": {"server_url": environment.text("OIDC_SERVER_URL")},
            }
        ]
    }

SESSION_ENGINE = "apps.organizations.sessions"
SESSION_COOKIE_AGE = int(timedelta(days=14).total_seconds())
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_SAMESITE = "Lax"
SECURE_TLS = PUBLIC_URL.startswith("https://")
SESSION_COOKIE_SECURE = SECURE_TLS
CSRF_COOKIE_SECURE = SECURE_TLS
SECURE_SSL_REDIRECT = SECURE_TLS and environment.flag("SECURE_SSL_REDIRECT", default=not EMBEDDED)
SECURE_HSTS_SECONDS = int(timedelta(days=365).total_seconds()) if SECURE_TLS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_TLS
SECURE_HSTS_PRELOAD = SECURE_TLS
if environment.flag("BEHIND_PROXY", default=False):
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
SECURE_CSP = {
    "default-src": [CSP.SELF],
    "img-src": [CSP.SELF, "data:"],
    "object-src": [CSP.NONE],
    "base-uri": [CSP.NONE],
    "frame-ancestors": [CSP.NONE],
    "form-action": [CSP.SELF],
}

MAILERS = {"default": mailer(environment.text("EMAIL_URL"))}
DEFAULT_FROM_EMAIL = environment.text("EMAIL_FROM", "AgentOps <agentops@localhost>")

LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = False

STATIC_URL = "/static/"
STATIC_ROOT = HOME / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}
WHITENOISE_USE_FINDERS = DEBUG

# Ingest limits; each is announced in docs/telemetry/ingest.md and answered as the protocol asks.
TELEMETRY = {
    "max_body_bytes": environment.number("TELEMETRY_MAX_BODY_BYTES", 64 * 1024 * 1024, least=1024),
    "max_batch_spans": environment.number("TELEMETRY_MAX_BATCH_SPANS", 20_000, least=1),
    "max_attribute_chars": environment.number("TELEMETRY_MAX_ATTRIBUTE_CHARS", 16_384, least=64),
    "max_attributes": environment.number("TELEMETRY_MAX_ATTRIBUTES", 256, least=1),
    "max_content_chars": environment.number("TELEMETRY_MAX_CONTENT_CHARS", 262_144, least=64),
    "max_age_days": environment.number("TELEMETRY_MAX_AGE_DAYS", 1_100, least=1),
    "max_future_seconds": environment.number("TELEMETRY_MAX_FUTURE_SECONDS", 600),
}
# The product's own limits above decide (Django's 2.5 MB would refuse ordinary batches with a 400).
DATA_UPLOAD_MAX_MEMORY_SIZE = TELEMETRY["max_body_bytes"]

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{levelname} {name}: {message}", "style": "{"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": environment.text("LOG_LEVEL", "INFO")},
    "loggers": {
        "django.request": {"level": "ERROR"},
        "django.security.DisallowedHost": {"level": "CRITICAL"},
    },
}

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["apps.organizations.doors.ApiKeyAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["apps.organizations.doors.HasScope"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_THROTTLE_CLASSES": ["apps.core.api.limits.KeyAndOrganization"],
    "EXCEPTION_HANDLER": "apps.core.api.problems.problem_details",
    "UNAUTHENTICATED_USER": None,
}
# Requests in a minute; the ingest doors count batches for themselves.
API_LIMITS = {
    "key_per_minute": environment.number("API_KEY_PER_MINUTE", 1_200, least=1),
    "organization_per_minute": environment.number("API_ORGANIZATION_PER_MINUTE", 6_000, least=1),
}
SPECTACULAR_SETTINGS = {
    "TITLE": "AgentOps API",
    "DESCRIPTION": "Agents, telemetry, metrics and decisions of one organization. Errors are problem+json (RFC 9457).",
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "ENUM_NAME_OVERRIDES": {"AgentStatus": "apps.registry.rules.statuses.STATUS_CHOICES"},
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "COMPONENT_SPLIT_REQUEST": True,
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "apps.core.api.schema.add_described",
    ],
}
