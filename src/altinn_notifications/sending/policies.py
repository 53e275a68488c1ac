"""When each channel tries again, from the settings."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from altinn_notifications.processing.expiry import SendWindow
from altinn_notifications.sending.routing import Watch
from altinn_notifications.sending.schedules import RetryPolicy

if TYPE_CHECKING:
    from altinn_notifications.settings import NotificationSettings, SendingSettings, Settings


def mail_policy(settings: Settings) -> RetryPolicy:
    """What follows each outcome of an email."""
    email, settles = settings.email, settings.email.delivered_without_bounce_after_seconds
    moves = settings.sending.unknown_mail_moves_after_seconds
    return RetryPolicy(
        waits=email.message_retry_seconds,
        provider_pause=timedelta(seconds=email.intermittent_error_delay_seconds),
        window=_window(settings.notification),
        probe=timedelta(seconds=settings.sending.probe_seconds),
        moves_after=timedelta(seconds=moves) if moves >= 0 else timedelta.max,
        settle_after=timedelta(seconds=settles) if settles >= 0 else None,
        poll_interval=timedelta(milliseconds=settings.acs.poll_interval_ms),
    )


def sms_policy(settings: Settings) -> RetryPolicy:
    """What follows each outcome of an SMS."""
    sms, notification = settings.sms, settings.notification
    return RetryPolicy(
        waits=sms.gateway_retry_seconds,
        provider_pause=timedelta(seconds=sms.gateway_retry_seconds[0]),
        window=_window(notification),
        probe=timedelta(seconds=settings.sending.probe_seconds),
        stays_sending=True,
        hold_creators=notification.sms_unknown_outcome_hold_creators,
        hold_by_default=notification.sms_unknown_outcome == "Hold",
    )


def watch_of(policy: RetryPolicy, settings: SendingSettings) -> Watch:
    """When the providers of a channel with that policy count as down or slow."""
    return Watch(
        failures=settings.failures_before_pause,
        pause=policy.provider_pause,
        slow_seconds=settings.slow_seconds,
        probe=timedelta(seconds=settings.probe_seconds),
        alarm_seconds=settings.alarm_seconds,
    )


def _window(settings: NotificationSettings) -> SendWindow:
    return SendWindow(settings.sms_send_window_start_hour, settings.sms_send_window_end_hour)
