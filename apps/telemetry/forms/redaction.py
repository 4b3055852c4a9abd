"""A new redaction rule, and a text to try the rules on."""

from django import forms

from apps.telemetry.rules.redaction import LONGEST_PATTERN


class RedactionRuleForm(forms.Form):
    """A rule for an attribute key or a pattern."""

    name = forms.CharField(label="Name", max_length=100)
    pattern = forms.CharField(
        label="Pattern",
        required=False,
        max_length=LONGEST_PATTERN,
        help_text="A regular expression (RE2). What matches is replaced in every text, wherever it stands.",
        widget=forms.TextInput(attrs={"spellcheck": "false", "autocapitalize": "none"}),
    )
    key = forms.CharField(
        label="Or attribute key",
        required=False,
        max_length=200,
        help_text="The whole value under this key is replaced, for example http.request.header.authorization.",
    )
    replacement = forms.CharField(label="Replaced by", max_length=100, initial="[redacted]")


class TryForm(forms.Form):
    """A text as an agent might send it."""

    text = forms.CharField(
        label="Text", max_length=10_000, widget=forms.Textarea(attrs={"rows": 4}), required=False, strip=False
    )
