from django.urls import path

from apps.home import views

app_name = "home"

urlpatterns = [
    path("o/<slug:organization>/", views.home_page, name="home_page"),
]
