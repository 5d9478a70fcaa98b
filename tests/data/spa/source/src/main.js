import { h, render } from 'preact'
import { Home } from './pages/home.js'
import './main.css'
import logo from './logo.svg'

// The one route that is not in the entry: its chunk is fetched when somebody goes there.
const routes = {
  '/': async () => Home,
  '/search': async () => (await import('./pages/search.js')).Search,
}

async function show() {
  const [, first = '', ...rest] = location.pathname.split('/')
  const route = routes['/' + first] ?? (async () => () => h('p', null, 'No such page'))
  let Page
  try {
    Page = await route()
  } catch (error) {
    Page = () => h('p', null, 'This part could not be loaded')
    console.warn(String(error))
  }
  const page = h('main', { id: 'page' }, h(Page, { rest: rest.join('/') }))
  const menu = h('nav', null, h('img', { src: logo, alt: '' }), h('a', { href: '/' }, 'Home'), h('a', { href: '/search/a.b' }, 'Search'))
  render([menu, page], document.getElementById('app'))
  document.documentElement.dataset.shown = location.pathname
}

addEventListener('click', event => {
  const link = event.target.closest('a')
  if (!link) return
  event.preventDefault()
  history.pushState(null, '', link.href)
  show()
})
addEventListener('popstate', show)
show()
